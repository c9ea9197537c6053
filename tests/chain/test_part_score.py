"""The decision head in the chain: the score of a part, its rule, the manifest and golden frames."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import numpy as np
import pytest

from edge.bundle import ChainManifest, GoldenLimits, KindManifest, parse_bundle
from edge.bundle.manifest import Manifest, check
from edge.chain.classify import SingleKindClassifier
from edge.chain.decide import LIMIT, decide_part, joint_score
from edge.chain.golden import first_difference, golden_manifest
from edge.chain.inspector import Inspector
from edge.errors import BundleError, FrameError
from edge.events.event import part_event
from edge.inspection.lines import result_line
from edge.records import Decision, Frame
from tests.chain.fake_engines import SCALE, CellEngine, detector_manifest, regression
from tests.support.bundles import bundle_bytes
from tests.support.deciding import KINDS, SIZE, DecidingEngine
from tests.support.deciding import deciding_frame as frame
from tests.support.deciding import deciding_inspector as inspector


def test_a_part_at_its_threshold_is_rejected_without_a_region() -> None:
    verdict = inspector(part_threshold=6.0).inspect(frame(6.0))
    assert (verdict.decision, verdict.defects) == (Decision.REJECT, ())
    assert verdict.reason == "part: score 6.0, rejected from 6.0"
    assert verdict.part_score == verdict.score == pytest.approx(6.0)


def test_a_part_below_its_threshold_passes() -> None:
    verdict = inspector(part_threshold=6.0).inspect(frame(5.9))
    assert (verdict.decision, verdict.reason) == (Decision.PASS, "clean")
    assert verdict.score == pytest.approx(5.9)


@pytest.mark.parametrize(
    ("by_regions", "part_score", "wanted"),
    [(4.0, 0.0, 6.0), (0.0, 9.0, 6.0), (8.0, 3.0, 9.0), (2.0, 10.5, 9.0), (2.0, 3.0, 3.0)],
)
def test_the_larger_score_ranks_and_the_limits_of_both_are_equal(
    by_regions: float, part_score: float, wanted: float
) -> None:
    assert joint_score(by_regions, part_score, of(4.0, 9.0)) == pytest.approx(wanted)


def of(threshold: float, part_threshold: float) -> ChainManifest:
    return ChainManifest(threshold=threshold, part_threshold=part_threshold)


def test_a_threshold_at_the_top_of_the_scale_is_allowed() -> None:
    assert joint_score(12.0, 12.0, of(12.0, 12.0)) == LIMIT


@pytest.mark.parametrize(("part", "defect"), [(5.0, 0.0), (8.8, 3.0), (9.2, 0.0), (1.0, 4.5)])
def test_a_rejected_part_never_ranks_below_one_that_passes(part: float, defect: float) -> None:
    verdict = inspector(part_threshold=9.0).inspect(frame(part, defect=defect))
    assert (verdict.score >= LIMIT) == (verdict.decision is Decision.REJECT)


def test_without_a_threshold_the_score_ranks_and_does_not_reject() -> None:
    verdict = inspector().inspect(frame(11.0))
    assert verdict.decision is Decision.PASS
    assert verdict.score == pytest.approx(11.0)


def test_a_defect_rejects_whatever_the_score_of_the_part_is() -> None:
    verdict = inspector(part_threshold=6.0).inspect(frame(1.0, defect=9.0))
    assert verdict.decision is Decision.REJECT
    assert verdict.reason.startswith("hole: 1 of severity")
    assert verdict.part_score == pytest.approx(1.0)
    assert verdict.score > LIMIT


def test_a_part_whose_regions_pass_is_still_rejected_by_its_score() -> None:
    kinds = (KindManifest.model_validate({"name": "hole", "rule": {"reject": False}}),)
    ticks = itertools.count(0, 1000)
    chain = Inspector(
        regression(DecidingEngine(*SIZE), detector_manifest(*SIZE, part_score=True)),
        SingleKindClassifier(kinds),
        ChainManifest(threshold=4.0, part_threshold=6.0),
        kinds,
        lambda: next(ticks),
    )
    assert chain.inspect(frame(2.0, defect=9.0)).decision is Decision.PASS
    verdict = chain.inspect(frame(8.0, defect=9.0))
    assert (verdict.decision, len(verdict.defects)) == (Decision.REJECT, 1)
    assert verdict.reason == "part: score 8.0, rejected from 6.0"


def test_the_map_is_the_one_of_a_network_without_a_head() -> None:
    severity = inspector().examine(frame(3.0, defect=9.0)).severity
    assert severity.values.shape == (32, 48)
    assert severity.values[12, 8] == round(9.0 / SCALE)


@pytest.mark.parametrize("corner", [(63, 95), (63, 175), (111, 95)])
def test_of_a_frame_in_tiles_the_largest_score_counts(corner: tuple[int, int]) -> None:
    pixels = np.zeros((112, 176), np.uint8)  # two by two tiles with an overlap of 16 px
    pixels[corner] = 100
    verdict = inspector().inspect(Frame(1, 1, 0, 0, pixels))
    assert verdict.part_score == pytest.approx(100 * SCALE)
    assert inspector().inspect(frame(0.0, size=(112, 176))).part_score == 0.0


def test_the_score_of_one_frame_is_not_that_of_the_next() -> None:
    chain = inspector()
    assert chain.inspect(frame(9.0)).part_score == pytest.approx(9.0)
    assert chain.inspect(frame(2.0)).part_score == pytest.approx(2.0)


def test_a_score_that_is_not_a_number_never_passes() -> None:
    class Broken(DecidingEngine):
        def run(self, count: int | None = None) -> np.ndarray:
            super().run(count)
            self.output[0, -1] = np.nan if len(self.runs) % 2 else 1.0
            return self.output

    chain = inspector(Broken(*SIZE, np.float32))
    with pytest.raises(FrameError, match=r"the part's score is not a number \(nan\)"):
        chain.inspect(frame(1.0, size=(64, 176)))
    with pytest.raises(FrameError):
        decide_part(float("inf"), None)


def test_an_output_without_the_score_is_refused() -> None:
    with pytest.raises(BundleError, match="and one score, in one row"):
        regression(CellEngine(*SIZE), detector_manifest(*SIZE, part_score=True))
    with pytest.raises(BundleError, match="expected one plane"):
        regression(DecidingEngine(*SIZE), detector_manifest(*SIZE))


def test_the_score_is_in_the_event_and_in_the_line_of_the_results() -> None:
    verdict = inspector().inspect(frame(3.0))
    assert part_event("s", "b", verdict, 1).part_score == pytest.approx(3.0)
    assert json.loads(result_line("a.png", verdict))["part_score"] == pytest.approx(3.0)
    plain = regression(CellEngine(*SIZE), detector_manifest(*SIZE))
    chain = Inspector(
        plain, SingleKindClassifier(KINDS), ChainManifest(threshold=4.0), KINDS, time.monotonic_ns
    )
    verdict = chain.inspect(frame(3.0))
    assert part_event("s", "b", verdict, 1).part_score is None
    assert "part_score" not in json.loads(result_line("a.png", verdict))


def test_a_golden_frame_holds_the_score_within_the_limit_of_severity() -> None:
    limits = GoldenLimits(severity=0.5)
    chain = inspector()
    golden = golden_manifest("golden/0.png", chain.examine(frame(3.0)))
    assert golden.part_score == pytest.approx(3.0)
    near = chain.examine(frame(3.4))
    # The corner of the frame is a pixel of the map too, so the map is compared with itself.
    near_golden = golden.model_copy(update={"grid": golden_manifest("x.png", near).grid})
    assert first_difference(near_golden, near, limits, 4.0) is None
    far = chain.examine(frame(3.6))
    far_golden = golden.model_copy(update={"grid": golden_manifest("x.png", far).grid})
    assert first_difference(far_golden, far, limits, 4.0) == (
        "detect: part score 3.60, expected 3.00"
    )
    lacking = far_golden.model_copy(update={"part_score": None})
    assert "expected None" in str(first_difference(lacking, far, limits, 4.0))


def manifest(*, detector: dict[str, Any], **chain: Any) -> Manifest:
    content = parse_bundle(bundle_bytes(golden=False)).manifest
    return content.model_copy(
        update={
            "detector": content.detector.model_copy(update=detector),
            "chain": content.chain.model_copy(update=chain),
        }
    )


def test_the_fields_of_a_manifest_agree() -> None:
    check(manifest(detector={"part_score": True}, part_threshold=5.0))
    check(manifest(detector={"part_score": True, "kind": "patchcore"}))
    with pytest.raises(BundleError, match="the detector gives no part_score"):
        check(manifest(detector={}, part_threshold=5.0))
    with pytest.raises(BundleError, match="texture has no decision head"):
        check(manifest(detector={"part_score": True, "kind": "texture"}))
    golden = parse_bundle(bundle_bytes()).manifest
    with pytest.raises(BundleError, match="golden: part_score"):
        check(
            golden.model_copy(
                update={"detector": golden.detector.model_copy(update={"part_score": True})}
            )
        )
    build = golden.builds[0]
    low = build.model_copy(update={"detector": build.detector.model_copy(update={"scale": 0.03})})
    with pytest.raises(BundleError, match=r"chain.part_threshold is above 7.65"):
        check(
            manifest(detector={"part_score": True}, part_threshold=9.0).model_copy(
                update={"builds": (low,)}
            )
        )


def test_a_bundle_from_before_the_head_still_loads() -> None:
    data = bundle_bytes()
    text = parse_bundle(data).manifest.model_dump_json()
    content = json.loads(text)
    del content["detector"]["part_score"], content["chain"]["part_threshold"]
    del content["chain"]["reject_severity"]
    for golden in content["golden"]:
        del golden["part_score"]
    again = Manifest.model_validate(content)
    check(again)
    assert not again.detector.part_score
