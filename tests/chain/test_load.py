"""A bundle becomes a chain, and proves itself on its golden frames before it may judge a part."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.bundle import Bundle, GoldenDefect, parse_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import BOX_TOLERANCE_PX, load_inspector, prove
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.records import Decision, Frame
from tests.bundles import FAINT, HOLE, KINDS, STAIN, bundle_bytes, classifier_network, encode

GOOD = parse_bundle(bundle_bytes())


def chain(bundle: Bundle, threads: int = 1) -> Inspector:
    return load_inspector(bundle, now_ns=time.monotonic_ns, engine=EngineChoice(threads=threads))


def with_golden(number: int, **changes: Any) -> Bundle:
    """The good bundle with one expectation changed."""
    golden = list(GOOD.manifest.golden)
    golden[number] = golden[number].model_copy(update=changes)
    manifest = GOOD.manifest.model_copy(update={"golden": tuple(golden)})
    return Bundle(manifest, GOOD.digest, GOOD.files, GOOD.size_bytes)


def with_file(name: str, data: bytes) -> Bundle:
    """The good bundle with one file exchanged."""
    assert name in GOOD.files
    return Bundle(GOOD.manifest, GOOD.digest, {**GOOD.files, name: data}, GOOD.size_bytes)


def refusal(bundle: Bundle) -> str:
    with pytest.raises(BundleError) as caught:
        prove(bundle, chain(bundle))
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(bundle.id)
    return line


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_bundle_that_reproduces_is_accepted(threads: int, precision: Any, channels: Any) -> None:
    bundle = parse_bundle(bundle_bytes(precision=precision, channels=channels))
    prove(bundle, chain(bundle, threads))


def test_the_chain_is_the_bundles() -> None:
    inspector = chain(GOOD)
    kinds = {}
    for name, pixels in (("hole", HOLE), ("stain", STAIN), ("faint", FAINT)):
        verdict = inspector.inspect(Frame(1, 1, 0, 0, pixels))
        kinds[name] = (verdict.decision, [defect.kind for defect in verdict.defects])
    assert kinds == {
        "hole": (Decision.REJECT, ["hole"]),
        "stain": (Decision.REJECT, ["stain"]),
        "faint": (Decision.PASS, []),
    }


def test_without_a_classifier_every_region_is_a_defect() -> None:
    bundle = parse_bundle(bundle_bytes(classifier=False, kinds=KINDS[:1]))
    prove(bundle, chain(bundle))
    verdict = chain(bundle).inspect(Frame(1, 1, 0, 0, FAINT))
    assert [defect.kind for defect in verdict.defects] == ["hole"]


def test_detect_is_the_step_that_differs() -> None:
    said = refusal(with_golden(1, peak_severity=11.0))
    assert "its golden frame golden/hole.png: detect: peak severity 12.00, expected 11.00" in said
    near = with_golden(1, peak_severity=12.4)
    prove(near, chain(near))  # within the bundle's golden_tolerance, 0.5


def test_decide_is_the_step_that_differs() -> None:
    said = refusal(with_golden(2, decision="PASS"))
    assert "golden/stain.png: decide: REJECT (stain: 1 of severity up to " in said
    assert said.endswith("expected PASS")


def test_classify_is_the_step_that_differs() -> None:
    golden = GOOD.manifest.golden[1].defects[0]
    wrong = golden.model_copy(update={"kind": "stain"})
    assert refusal(with_golden(1, defects=(wrong,))).endswith(
        "golden/hole.png: classify: hole, expected stain"
    )
    assert refusal(with_golden(1, defects=())).endswith("classify: hole, expected nothing")
    assert refusal(with_golden(0, defects=(golden,))).endswith(
        "golden/clean.png: classify: nothing, expected hole"
    )


@pytest.mark.parametrize("side", range(4))
def test_components_is_the_step_that_differs(side: int) -> None:
    box = list(GOOD.manifest.golden[1].defects[0].box)
    box[side] += BOX_TOLERANCE_PX
    near = with_golden(1, defects=(GoldenDefect(kind="hole", box=tuple(box)),))  # type: ignore[arg-type]
    prove(near, chain(near))
    box[side] += 1
    far = with_golden(1, defects=(GoldenDefect(kind="hole", box=tuple(box)),))  # type: ignore[arg-type]
    assert refusal(far).endswith(f"golden/hole.png: components: no hole at {box}")


def test_a_network_that_was_exchanged_does_not_reproduce() -> None:
    """The classifier that swaps hole and stain: the digest may fit, the golden frames do not."""
    swapped = classifier_network().replace(
        np.array([[0, 12.4, 6.8]], np.float32).tobytes(),
        np.array([[0, -99.0, 6.8]], np.float32).tobytes(),
    )
    assert swapped != classifier_network()
    assert "golden/hole.png: classify: stain, expected hole" in refusal(
        with_file("classifier.onnx", swapped)
    )


def test_a_bundle_without_golden_frames_proves_nothing() -> None:
    bundle = parse_bundle(bundle_bytes(golden=False))
    assert refusal(bundle) == f"{bundle.id} has no golden frame to prove itself on"


def test_a_golden_frame_that_is_no_picture_is_refused() -> None:
    said = refusal(with_file("golden/hole.png", b"no picture"))
    assert "golden frame golden/hole.png: picture: is not a picture" in said
    small = encode(np.zeros((8, 8), np.uint8))
    said = refusal(with_file("golden/hole.png", small))
    assert "golden frame golden/hole.png: 8×8 px; expected at least" in said


def test_a_network_that_does_not_fit_the_manifest_is_refused() -> None:
    wide = GOOD.manifest.detector.model_copy(update={"stride_px": 4, "multiple_px": 4})
    manifest = GOOD.manifest.model_copy(update={"detector": wide})
    with pytest.raises(BundleError, match="expected one plane of"):
        chain(Bundle(manifest, GOOD.digest, GOOD.files, GOOD.size_bytes))
    fewer = GOOD.manifest.model_copy(update={"kinds": KINDS[:1]})
    with pytest.raises(BundleError, match="expected float32 scores of background and 1 kinds"):
        chain(Bundle(fewer, GOOD.digest, GOOD.files, GOOD.size_bytes))
    with pytest.raises(BundleError, match="ONNX Runtime refuses the network"):
        chain(with_file("detector.onnx", b"no network"))
