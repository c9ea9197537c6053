"""The reject severity in the chain: what is reported, what rejects, and what a bundle may say."""

from __future__ import annotations

import pytest

from edge.bundle import ChainManifest, parse_bundle
from edge.bundle.manifest import Manifest, check
from edge.chain.decide import LIMIT, decide, joint_score
from edge.errors import BundleError
from edge.records import Decision, Defect
from tests.chain.fake_engines import region
from tests.support.bundles import bundle_bytes
from tests.support.deciding import KINDS
from tests.support.deciding import deciding_frame as frame
from tests.support.deciding import deciding_inspector as inspector

T = 4.0


def defect(peak: float, doubt: float = 0.0) -> Defect:
    return Defect(region(0, 0, 10, 10, peak=peak, area=50), "hole", 0.9, doubt=doubt)


def decided(*defects: Defect, reject_severity: float | None) -> tuple[Decision, str]:
    chain = ChainManifest(threshold=T, reject_severity=reject_severity)
    return decide(defects, len(defects), KINDS, chain)


@pytest.mark.parametrize(("peak", "wanted"), [(6.9, Decision.PASS), (7.0, Decision.REJECT)])
def test_a_defect_rejects_from_the_reject_severity(peak: float, wanted: Decision) -> None:
    assert decided(defect(peak), reject_severity=7.0)[0] is wanted
    assert decided(defect(peak), reject_severity=None)[0] is Decision.REJECT


def test_the_doubt_of_the_classifier_lowers_the_severity() -> None:
    # 4 + (10 - 4) · (1 - 0.5) = 7
    assert decided(defect(10.0, doubt=0.5), reject_severity=7.0)[0] is Decision.REJECT
    assert decided(defect(10.0, doubt=0.51), reject_severity=7.0)[0] is Decision.PASS


def test_a_less_severe_defect_is_reported_and_does_not_count_for_the_rule() -> None:
    decision, reason = decided(defect(6.0), defect(5.0), reject_severity=7.0)
    assert (decision, reason) == (Decision.PASS, "2 below severity 7.0")
    _, reason = decided(defect(9.0), defect(5.0), reject_severity=7.0)
    assert reason.startswith("hole: 1 of severity up to 9.0")


def test_the_chain_reports_what_does_not_reject() -> None:
    shown = frame(0.0, defect=6.0)
    verdict = inspector(reject_severity=7.0).inspect(shown)
    assert (verdict.decision, len(verdict.defects)) == (Decision.PASS, 1)
    assert verdict.score == pytest.approx(inspector().inspect(shown).score)
    assert inspector().inspect(shown).decision is Decision.REJECT


@pytest.mark.parametrize(("part", "peak"), [(5.0, 0.0), (8.8, 6.5), (9.2, 0.0), (1.0, 7.5)])
def test_a_rejected_part_never_ranks_below_one_that_passes(part: float, peak: float) -> None:
    chain = inspector(part_threshold=9.0, reject_severity=7.0)
    verdict = chain.inspect(frame(part, defect=peak))
    assert (verdict.score >= LIMIT) == (verdict.decision is Decision.REJECT)


def test_the_limit_of_the_regions_is_the_reject_severity_where_there_is_one() -> None:
    chain = ChainManifest(threshold=T, reject_severity=8.0, part_threshold=9.0)
    assert joint_score(8.0, 0.0, chain) == LIMIT


def test_a_reject_severity_below_the_threshold_is_refused() -> None:
    manifest = parse_bundle(bundle_bytes()).manifest
    for severity, is_right in ((manifest.chain.threshold, True), (0.5, False)):
        changed = with_reject_severity(manifest, severity)
        if is_right:
            check(changed)
        else:
            with pytest.raises(BundleError, match=r"^chain.reject_severity is below chain\."):
                check(changed)


def test_a_reject_severity_that_the_build_cannot_reach_is_refused() -> None:
    manifest = parse_bundle(bundle_bytes()).manifest
    (build,) = (each for each in manifest.builds if each.precision == "int8")
    detector = build.detector.model_copy(update={"scale": 9.0 / 255, "zero_point": 0})
    low = build.model_copy(update={"detector": detector})
    manifest = manifest.model_copy(update={"builds": (low,)})
    check(with_reject_severity(manifest, 8.9))
    with pytest.raises(BundleError, match=r"^chain.reject_severity is above 9, the largest"):
        check(with_reject_severity(manifest, 9.1))


def with_reject_severity(manifest: Manifest, severity: float) -> Manifest:
    chain = manifest.chain.model_copy(update={"reject_severity": severity})
    return manifest.model_copy(update={"chain": chain})
