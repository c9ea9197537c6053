"""outfeed bundle show, outfeed bundle verify."""

import json
import re
from pathlib import Path

from edge.bundle import CHAIN, KindManifest, RuleManifest, read_bundle
from tests.cli.conftest import Outfeed
from tests.support.bundles import KINDS, small_bundle
from tests.support.keys import KEY_ID, TRUST


def test_show_names_everything(outfeed: Outfeed, bundle: Path) -> None:
    result = outfeed("bundle", "show", bundle)
    assert result.status == 0
    text = re.sub(r"[\s│]+", " ", result.out)
    digest = read_bundle(bundle).digest
    assert digest in text.replace(" ", "")
    assert TRUST in text.replace(" ", "")
    for said in (
        "version 1.0",
        f"signature key {KEY_ID}",
        "for stations outfeed",
        f"requires {CHAIN}",
        "detector regression dark 128×96 px, grey, tiles overlap by 16 px, a cell is 2 px",
        "alignment none: the detector sees the frame",
        "classifier blocks of 64 px",
        "builds onnx-int8",
        "threshold T 4 of 12",
        "reject severity every defect rejects",
        "part threshold none",
        "kind hole rejects always Check the punch.",
        "kind stain rejects from 40 px Clean the rollers.",
        "certified onnx-int8 against torch-float32: missed 0 (limit 0.02), missed bound 0.0131",
        "metrics int8 mean_iou 0.9",
        "golden/hole.png: REJECT, peak severity 12.00, hole at [40, 30, 56, 42]",
        "detector.onnx:",
    ):
        assert said in text, said


def test_show_prints_the_rule(outfeed: Outfeed, tmp_path: Path) -> None:
    """Names in brackets are not markup."""
    kinds = (
        KindManifest(name="[red]dent", rule=RuleManifest(min_count=3, min_peak_severity=5.5)),
        KindManifest(name="dust", rule=RuleManifest(reject=False)),
    )
    path = small_bundle(
        tmp_path / "b.outfeed",
        kinds=kinds,
        golden=False,
        classifier=False,
        certified=False,
        key=None,
    )
    text = re.sub(r"[\s│]+", " ", outfeed("bundle", "show", path).out)
    assert "kind [red]dent rejects from 3 of them, from severity 5.5" in text
    assert "kind dust reported only, never rejects" in text
    assert "classifier none" in text
    assert "signature unsigned" in text
    assert "golden frames none" in text
    assert "certificate has no parity certificate: its builds were never compared" in text


def test_show_as_json_is_the_manifest(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    said = json.loads(outfeed("bundle", "show", bundle, "--json").out)
    found = read_bundle(bundle)
    assert (said.pop("id"), said.pop("digest")) == (found.id, found.digest)
    assert said.pop("size_bytes") == bundle.stat().st_size
    assert (said.pop("signer"), said.pop("key_id")) == (TRUST, KEY_ID)
    assert said == found.manifest.model_dump(mode="json")
    unsigned = small_bundle(tmp_path / "b.outfeed", key=None)
    said = json.loads(outfeed("bundle", "show", unsigned, "--json").out)
    assert (said["signer"], said["key_id"]) == (None, None)


def test_verify_runs_the_golden_frames(outfeed: Outfeed, bundle: Path) -> None:
    for threads in (1, 2):
        result = outfeed("bundle", "verify", bundle, "--threads", threads)
        size = bundle.stat().st_size
        assert (result.status, result.err) == (0, "")
        assert result.out == (
            f"OK {read_bundle(bundle).id}: {size} bytes, 6 files, 3 golden frames reproduced, "
            f"signed by key {KEY_ID}\n"
        )


def test_verify_refuses_any_flipped_byte(outfeed: Outfeed, bundle: Path, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    path = tmp_path / "flipped.outfeed"
    for at in (0, len(whole) // 3, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        for command in ("verify", "show"):
            result = outfeed("bundle", command, path)
            assert (result.status, result.out) == (1, "")
            assert result.line.startswith(f"outfeed: {path}: is damaged")


def test_verify_refuses_what_it_cannot_reproduce(outfeed: Outfeed, tmp_path: Path) -> None:
    golden = read_bundle(small_bundle(tmp_path / "a.outfeed")).manifest.golden
    path = tmp_path / "b.outfeed"
    expected = tuple(
        frame.model_copy(update={"decision": "REJECT"}) if "clean" in frame.file else frame
        for frame in golden
    )
    small_bundle(path, expected=expected, kinds=KINDS)
    result = outfeed("bundle", "verify", path)
    assert (result.status, result.out) == (1, "")
    assert "does not reproduce its golden frame golden/clean.png: decide: PASS" in result.line
    assert outfeed("bundle", "show", path).status == 0
