"""Loading of a chain from a bundle, and the check on its golden frames before any part."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'outfeed[export]'")

from edge.bundle import Bundle, GoldenDefect, GoldenLimits, parse_bundle
from edge.chain.golden import golden_manifest
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector, prove
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.records import Decision, Frame
from tests.support.bundles import (
    FAINT,
    HOLE,
    KINDS,
    STAIN,
    THRESHOLD,
    bundle_bytes,
    classifier_network,
    encode,
)

GOOD = parse_bundle(bundle_bytes())


def chain(bundle: Bundle, threads: int = 1) -> Inspector:
    return build_inspector(bundle, now_ns=time.monotonic_ns, engine=EngineChoice(threads=threads))


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


def golden_defect(**changes: Any) -> GoldenDefect:
    """The hole of the second golden frame, changed."""
    return GOOD.manifest.golden[1].defects[0].model_copy(update=changes)


def raised(by: float) -> tuple[tuple[float, ...], ...]:
    """The second golden frame's grid with its hottest block raised."""
    grid = [list(row) for row in GOOD.manifest.golden[1].grid]
    row = next(i for i, values in enumerate(grid) if max(values) == 12.0)
    col = grid[row].index(12.0)
    grid[row][col] += by
    return tuple(map(tuple, grid))


def test_detect_is_the_step_that_differs() -> None:
    said = refusal(with_golden(1, grid=raised(-1.0)))
    assert "its golden frame golden/hole.png: detect: severity 12.00 in block " in said
    assert said.endswith(", expected 11.00")
    near = with_golden(1, grid=raised(0.4))
    prove(near, chain(near))  # within the build's limit, 0.5
    said = refusal(with_golden(1, grid=((1.0,),)))
    assert "detect: a map of (8, 8) blocks, expected (1, 1)" in said


def test_the_limits_are_the_builds() -> None:
    build = GOOD.manifest.builds[0]
    for limit, fine in ((1.1, True), (0.9, False)):
        wide = build.model_copy(update={"golden": GoldenLimits(severity=limit)})
        bundle = parse_bundle(bundle_bytes(builds=(wide,)))
        golden = list(bundle.manifest.golden)
        golden[1] = golden[1].model_copy(update={"grid": raised(1.0)})
        manifest = bundle.manifest.model_copy(update={"golden": tuple(golden)})
        other = replace(bundle, manifest=manifest)
        if fine:
            prove(other, chain(other))
        else:
            assert "detect: severity" in refusal(other)


def test_decide_is_the_step_that_differs() -> None:
    said = refusal(with_golden(2, decision="PASS"))
    assert "golden/stain.png: decide: REJECT (stain: 1 of severity up to " in said
    assert said.endswith("expected PASS")


def test_classify_is_the_step_that_differs() -> None:
    place = list(golden_defect().box)
    said = refusal(with_golden(1, defects=(golden_defect(kind="stain"),)))
    assert said.endswith(f"golden/hole.png: classify: hole at {place}, expected stain")
    said = refusal(with_golden(1, defects=()))
    assert said.endswith(f"classify: hole at {place}, expected nothing")
    sure = golden_defect().confidence
    said = refusal(with_golden(1, defects=(golden_defect(confidence=sure - 0.3),)))
    assert f"classify: hole at {place} with confidence {sure:.2f}, expected" in said
    near = with_golden(1, defects=(golden_defect(confidence=sure - 0.2),))
    prove(near, chain(near))


def test_a_dropped_region_and_a_missing_region_have_different_messages() -> None:
    faint = with_file("golden/hole.png", encode(FAINT))
    found = chain(faint).examine(Frame(0, 0, 0, 0, FAINT))
    assert found.components is not None
    box = found.components.regions[0].box
    place = (box.left, box.top, box.right, box.bottom)
    wanted = golden_defect(box=place, area_px=found.components.regions[0].area_px)
    grid = golden_manifest("golden/hole.png", found).grid
    golden = list(GOOD.manifest.golden)
    golden[1] = golden[1].model_copy(update={"grid": grid, "defects": (wanted,)})
    manifest = GOOD.manifest.model_copy(update={"golden": tuple(golden)})
    said = refusal(replace(faint, manifest=manifest))
    assert said.endswith(f"classify: background at {list(place)}, expected hole")


@pytest.mark.parametrize("side", range(4))
def test_components_is_the_step_that_differs(side: int) -> None:
    box = list(golden_defect().box)
    box[side] += GoldenLimits().box_px
    near = with_golden(1, defects=(golden_defect(box=tuple(box)),))
    prove(near, chain(near))
    box[side] += 1
    said = refusal(with_golden(1, defects=(golden_defect(box=tuple(box)),)))
    assert said.endswith(f"golden/hole.png: components: no region at {box}, expected hole")


def test_filter_is_the_step_that_differs() -> None:
    area = golden_defect().area_px
    near = with_golden(1, defects=(golden_defect(area_px=round(area * 1.2)),))
    prove(near, chain(near))
    said = refusal(with_golden(1, defects=(golden_defect(area_px=area * 2),)))
    assert f"filter: {area} px at " in said
    assert said.endswith(f"expected {area * 2}")


def test_a_defect_at_the_threshold_may_be_there_or_not() -> None:
    """The rounding of an engine may move it to either side; the check must accept both."""
    edge = golden_defect(peak_severity=THRESHOLD + 0.4, box=(1, 1, 9, 9))
    near = with_golden(1, defects=(golden_defect(), edge))
    prove(near, chain(near))
    sure = golden_defect(peak_severity=THRESHOLD + 0.6, box=(1, 1, 9, 9))
    assert "components: no region at" in refusal(with_golden(1, defects=(golden_defect(), sure)))


def test_a_bundle_without_a_certificate_is_refused() -> None:
    bundle = parse_bundle(bundle_bytes(certified=False))
    assert refusal(bundle).startswith(f"{bundle.id}: has no parity certificate")


def test_a_network_that_was_exchanged_does_not_reproduce() -> None:
    """A classifier that swaps hole and stain does not reproduce the golden frames."""
    swapped = classifier_network().replace(
        np.array([[0, 12.4, 6.8]], np.float32).tobytes(),
        np.array([[0, -99.0, 6.8]], np.float32).tobytes(),
    )
    assert swapped != classifier_network()
    assert "golden/hole.png: classify: stain at " in refusal(with_file("classifier.onnx", swapped))


def test_a_bundle_without_golden_frames_is_refused() -> None:
    bundle = parse_bundle(bundle_bytes(golden=False))
    assert refusal(bundle) == f"{bundle.id} has no golden frame, so its chain cannot be checked"


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
    with pytest.raises(BundleError, match=r"detector\.onnx: is no ONNX file"):
        chain(with_file("detector.onnx", b"no network"))
