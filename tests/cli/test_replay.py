"""outfeed replay: the parts of a station that was run, killed, tampered with, moved on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.bundle import parse_bundle, read_bundle
from edge.events.event import PartEvent
from edge.pictures.file_name import list_pictures
from edge.pictures.png import decode_picture, encode_picture
from tests.cli.conftest import Outfeed
from tests.support.bundles import CLEAN, small_bundle
from tests.support.station_runs import events, wait_for

ZOO = Path(__file__).parents[2] / "models/zoo"
KEEP_ALL = "[pictures]\npass_every = 1\nmin_free_mb = 0\n"


@pytest.fixture
def kept(outfeed: Outfeed, configure: Callable[..., Path]) -> Path:
    """station.toml of a run of twelve parts whose pictures were all kept."""
    path = configure(KEEP_ALL)
    assert outfeed("--quiet", "run", "--config", path).status == 0
    return path


@pytest.fixture
def zoo_line(configure: Callable[..., Path], tmp_path: Path) -> Path:
    """A station on the shipped bundle, whose camera shows that bundle's golden frames."""
    bundle = read_bundle(ZOO / "textures-lean.outfeed")
    (tmp_path / "zoo").mkdir()
    for golden in bundle.manifest.golden:
        (tmp_path / "zoo" / Path(golden.file).name).write_bytes(bundle.files[golden.file])
    path = configure(KEEP_ALL, path="zoo", loop="true", trust=ZOO / "zoo.pub")
    text = path.read_text().replace('"small.outfeed"', f'"{ZOO / "textures-lean.outfeed"}"')
    path.write_text(text.replace("rate_hz = 100.0", "rate_hz = 10.0"))
    return path


def pictures(config: Path) -> list[Path]:
    album = config.parent / "state/pictures"
    return [album / str(name) for name in list_pictures(album)]


def a_hole(config: Path) -> tuple[Path, NDArray[np.uint8], dict[str, Any]]:
    """A picture that the chain rejected, in time or not: where it lies, pixels, record."""
    for path in pictures(config):
        pixels, text = decode_picture(path.read_bytes(), name="a")
        record = json.loads(text)
        if record["said"] is not None and record["said"]["decision"] == "REJECT":
            return path, pixels, record
    raise AssertionError("the chain said nothing of any hole")


def test_every_part_gives_its_verdict_again_byte_for_byte(outfeed: Outfeed, kept: Path) -> None:
    parts = [event for event in events(kept.parent) if isinstance(event, PartEvent)]
    result = outfeed("replay", "--config", kept, "--all", "--json")
    assert (result.status, result.err) == (0, "")
    assert [record["part_id"] for record in result.records] == [part.part_id for part in parts]
    for record, part in zip(result.records, parts, strict=True):
        assert (record["tolerance"], record["difference"]) == (None, None)
        if record["outcome"] == "unjudged":  # too late on a loaded machine
            assert part.decision == "UNKNOWN"
            continue
        assert record["outcome"] == "same"
        assert record["seen"] == record["recorded"]
        if part.decision != "UNKNOWN":
            assert record["seen"]["decision"] == part.decision
            assert record["seen"]["peak_severity"] == part.peak_severity
            assert len(record["seen"]["defects"]) == len(part.defects)
    text = outfeed("replay", "--config", kept, "--last", 2)
    assert text.status == 0
    assert text.out.splitlines()[0].startswith("part 11: ")
    assert re.fullmatch(r"2 parts: 2 same|2 parts: .*unjudged.*", text.out.splitlines()[2])


def test_parts_of_a_killed_station_on_the_shipped_bundle(outfeed: Outfeed, zoo_line: Path) -> None:
    """After kill -9, every stored picture is whole and gives its verdict again."""
    command = [sys.executable, "-m", "edge", "--quiet", "run", "--config", str(zoo_line)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is None and len(pictures(zoo_line)) >= 8, "8 pictures")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    result = outfeed("replay", "--config", zoo_line, "--all", "--json")
    assert (result.status, result.err) == (0, "")
    outcomes = [record["outcome"] for record in result.records]
    assert len(outcomes) >= 8
    assert set(outcomes) <= {"same", "unjudged"}
    assert outcomes.count("same") >= 4
    # The next process reads the same picture store, with the same result.
    assert outfeed("replay", "--config", zoo_line, "--all").status == 0


@pytest.mark.parametrize("engine", ["litert", "openvino"])
def test_another_engine_agrees_within_the_bundles_limits(
    outfeed: Outfeed, zoo_line: Path, engine: str
) -> None:
    pytest.importorskip({"litert": "ai_edge_litert"}.get(engine, engine))
    text = zoo_line.read_text()
    zoo_line.write_text(text.replace("loop = true", "loop = false"))
    assert outfeed("--quiet", "run", "--config", zoo_line).status == 0
    arguments = ("replay", "--config", zoo_line, "--all", "--engine", engine)
    result = outfeed(*arguments, "--json")
    assert (result.status, result.err) == (0, "")
    for record in result.records:
        assert record["outcome"] in ("same", "within", "unjudged")
        # OpenVINO runs the same build, LiteRT another one: what the certificate grants both.
        wide = {"openvino": "severity 0.5, box 4 px", "litert": r"severity \S+, box 8 px"}[engine]
        assert re.match(wide, record["tolerance"])
        assert any(each.startswith(f"engine {engine}, was ort") for each in record["changed"])
        if record["recorded"] is not None:
            assert record["seen"]["decision"] == record["recorded"]["decision"]
    said = outfeed(*arguments).out.splitlines()
    assert said[-2].startswith("compared within severity ")


def test_a_part_of_another_machine_is_compared_within_the_limits(
    outfeed: Outfeed, kept: Path
) -> None:
    """As a picture that was copied here from an arm64 station; its last digit may differ."""
    path, pixels, record = a_hole(kept)
    record["origin"]["machine"] = "another"
    record["said"]["defects"][0]["confidence"] += 1e-9
    path.write_bytes(encode_picture(pixels, json.dumps(record)))
    result = outfeed("replay", "--config", kept, record["part_id"], "--json")
    assert (result.status, result.err) == (0, "")
    (told,) = result.records
    assert told["outcome"] == "within"
    assert told["difference"].startswith("defects[0].confidence: ")
    assert told["changed"][0].endswith(", was another")
    assert told["tolerance"].startswith("severity 0.5, box 4 px")


def test_a_picture_that_was_tampered_with(outfeed: Outfeed, kept: Path) -> None:
    flipped, repainted, bare = pictures(kept)[:3]
    data = bytearray(flipped.read_bytes())
    data[-40] ^= 1
    flipped.write_bytes(data)
    pixels, text = decode_picture(repainted.read_bytes(), name="a")
    pixels[0, 0] ^= 1
    repainted.write_bytes(encode_picture(pixels, text))
    cv2.imwrite(str(bare), CLEAN)
    result = outfeed("replay", "--config", kept, "--all")
    assert result.status == 1
    assert result.err.splitlines() == [
        f"outfeed: {flipped.name}: is damaged: checksum of chunk IDAT (PNG)",
        f"outfeed: {repainted.name}: its pixels are not those that were inspected (SHA-256)",
        f"outfeed: {bare.name}: has no record of a part",
    ]
    assert result.out.splitlines()[-1].endswith("3 failed")


def test_a_verdict_that_was_tampered_with_is_named(outfeed: Outfeed, kept: Path) -> None:
    path, pixels, record = a_hole(kept)
    record["said"]["defects"][0]["confidence"] += 1e-9
    path.write_bytes(encode_picture(pixels, json.dumps(record)))
    result = outfeed("replay", "--config", kept, record["part_id"])
    assert result.status == 1
    assert f"part {record['part_id']}: differs: REJECT" in result.out
    assert "[defects[0].confidence: " in result.out


def test_a_bundle_that_was_replaced_is_still_found(outfeed: Outfeed, kept: Path) -> None:
    """The station has been given a newer one; the one that judged was kept beside its pictures."""
    small_bundle(kept.parent / "small.outfeed", version="2.0")
    assert outfeed("replay", "--config", kept, "--all").status == 0
    (lain,) = (kept.parent / "state/bundles").iterdir()
    digest = lain.stem
    assert parse_bundle(lain.read_bytes()).digest == digest
    other = small_bundle(kept.parent / "other.outfeed", version="3.0")
    lain.write_bytes(other.read_bytes())
    result = outfeed("replay", "--config", kept, "--last", 1)
    assert (result.status, "not the bundle of its file name" in result.line) == (1, True)
    lain.write_bytes(b"broken")
    result = outfeed("replay", "--config", kept, "--last", 1)
    assert (result.status, f"{digest}.outfeed: " in result.line) == (1, True)
    lain.unlink()
    result = outfeed("replay", "--config", kept, "--last", 1)
    assert (result.status, "is not stored here any more" in result.line) == (1, True)


def test_the_configured_bundle_serves_where_none_was_kept(outfeed: Outfeed, kept: Path) -> None:
    (lain,) = (kept.parent / "state/bundles").iterdir()
    lain.unlink()
    assert outfeed("replay", "--config", kept, "--all").status == 0


def test_what_another_bundle_would_say(outfeed: Outfeed, kept: Path) -> None:
    """One without kinds, to which every region is a plain defect."""
    plain = small_bundle(kept.parent / "plain.outfeed", version="2.0", kinds=(), classifier=False)
    arguments = ("replay", "--config", kept, "--all", "--bundle", plain)
    result = outfeed(*arguments)
    assert result.status == 0
    assert "instead of hole" in result.out
    assert "bundle digest" in result.out
    assert outfeed(*arguments, "--expect", "same").status == 1
    assert outfeed(*arguments, "--expect", "any").status == 0
    absent = outfeed("replay", "--config", kept, "--last", 1, "--bundle", "absent.outfeed")
    assert (absent.status, "absent.outfeed: cannot be read" in absent.line) == (1, True)


def test_records_and_journal_say_the_same(outfeed: Outfeed, kept: Path) -> None:
    result = outfeed("replay", "--config", kept, "--all", "--journal")
    assert (result.status, result.err) == (0, "")
    path = pictures(kept)[0]
    pixels, text = decode_picture(path.read_bytes(), name="a")
    record = json.loads(text)
    record["verdict"]["reason"] = "clean"
    path.write_bytes(encode_picture(pixels, json.dumps(record)))
    result = outfeed("replay", "--config", kept, "--all", "--journal")
    assert result.status == 1
    part = record["part_id"]
    assert result.line.startswith(f"outfeed: part {part}: journal: reason: '")
    assert result.line.endswith("recorded 'clean'")
    (kept.parent / "state/journal.sqlite").unlink()
    result = outfeed("replay", "--config", kept, "--last", 1, "--journal")
    assert (result.status, "not in the journal any more" in result.line) == (1, True)


def test_what_is_asked_for_wrongly(
    outfeed: Outfeed, configure: Callable[..., Path], kept: Path
) -> None:
    for arguments, said in (
        ((), "replay takes PARTs, --all or --last N"),
        (("--all", "--last", 1), "replay takes PARTs, --all or --last N"),
        ((1, "--expect", "more"), "--expect more: expected same or any"),
        ((1, "--engine", "tpu"), "--engine tpu: expected"),
        ((1, "--precision", "int8"), "--precision and --threads need --engine"),
    ):
        result = outfeed("replay", "--config", kept, *arguments)
        assert (result.status, said in result.line) == (2, True), result.err
    result = outfeed("replay", "--config", kept, 1, 77, 99)
    assert (result.status, "no picture of part 77, 99" in result.line) == (1, True)
    result = outfeed("replay", "--config", kept.parent / "none.toml", "--all")
    assert (result.status, "none.toml" in result.line) == (78, True)
    result = outfeed("replay", "--config", configure("[pictures]\nring = 1\n"), "--all")
    assert (result.status, "unknown key 'pictures.ring'" in result.line) == (78, True)


def test_a_picture_store_without_a_picture(
    outfeed: Outfeed, configure: Callable[..., Path]
) -> None:
    result = outfeed("replay", "--config", configure(), "--all")
    assert (result.status, "holds no picture" in result.line) == (1, True)


def test_a_bundle_without_a_trusted_signature_is_not_loaded(outfeed: Outfeed, kept: Path) -> None:
    """Neither a bundle named by --bundle, nor one copied into the station's stored bundles."""
    (lain,) = (kept.parent / "state/bundles").iterdir()
    unsigned = small_bundle(kept.parent / "unsigned.outfeed", key=None)
    assert parse_bundle(unsigned.read_bytes()).digest == lain.stem
    asked = ("replay", "--config", kept, "--last", 1)
    said = outfeed(*asked, "--bundle", unsigned)
    assert (said.status, said.line) == (
        1,
        f"outfeed: {unsigned}: is unsigned; `outfeed bundle sign` signs it",
    )
    assert outfeed(*asked, "--bundle", unsigned, "--any-bundle").status == 0
    lain.write_bytes(unsigned.read_bytes())
    said = outfeed(*asked)
    assert said.status == 1
    assert "is unsigned" in said.line
    assert outfeed(*asked, "--any-bundle").status == 0
