"""Verdicts that count as the same, and verdicts that agree within the limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.bundle import GoldenLimits
from edge.records import Box, Decision, Defect, Region, Timings, Verdict
from edge.replay.canonical import canonical, first_difference
from edge.replay.compare import ReplayOutcome, Tolerance, compare

T = 4.0
WITHIN = Tolerance(GoldenLimits(severity=0.5, box_px=4, area=0.25, confidence=0.25), T)


def defect(left: int = 10, kind: str = "hole", *, peak: float = 8.0, **given: object) -> Defect:
    region = Region(Box(left, 20, left + 10, 30), 100, peak, 5.0)
    return replace(Defect(region, kind, 0.9, "Look.", 0.1), **given)


def reject(*defects: Defect, peak: float = 8.0) -> Verdict:
    return Verdict(7, Decision.REJECT, "hole", defects, peak, Timings(1, 2, 3, 4, 5), 7.5)


ONE = reject(defect())


def test_timings_do_not_count_and_every_digit_does() -> None:
    assert first_difference(ONE, replace(ONE, timings=None)) is None
    assert compare(ONE, replace(ONE, timings=None), None) == (ReplayOutcome.SAME, None)
    assert "timings" not in canonical(ONE)
    outcome, said = compare(ONE, replace(ONE, score=7.500000000000001), None)
    assert (outcome, said) == (ReplayOutcome.DIFFERS, "score: 7.500000000000001, recorded 7.5")
    assert compare(ONE, replace(ONE, score=7.500000000000001), WITHIN)[0] is ReplayOutcome.WITHIN


def test_the_sign_of_zero_is_a_difference_of_bytes() -> None:
    zero = replace(ONE, score=0.0)
    assert first_difference(zero, replace(zero, score=-0.0)) == "score: -0.0, recorded 0.0"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (replace(ONE, decision=Decision.PASS), "decision: 'PASS', recorded 'REJECT'"),
        (replace(ONE, reason="x"), "reason: 'x', recorded 'hole'"),
        (reject(), "defects: 0, recorded 1"),
        (reject(defect(11)), "defects[0].region.box.left: 11, recorded 10"),
        (reject(defect(kind="stain")), "defects[0].kind: 'stain', recorded 'hole'"),
        (reject(defect(doubt=0.2)), "defects[0].doubt: 0.2, recorded 0.1"),
        (replace(ONE, part_id=8), "part_id: 8, recorded 7"),
    ],
)
def test_the_first_difference_is_named(seen: Verdict, said: str) -> None:
    assert first_difference(ONE, seen) == said


@pytest.mark.parametrize(
    "seen",
    [
        reject(defect(14)),
        reject(defect(peak=8.4), peak=8.4),
        reject(defect(confidence=0.66)),
        reject(defect(), defect(60, peak=4.4)),  # so near to T that it may be there
        reject(defect(region=replace(defect().region, area_px=85))),
    ],
)
def test_what_engines_may_differ_in(seen: Verdict) -> None:
    assert compare(ONE, seen, WITHIN)[0] is ReplayOutcome.WITHIN
    assert compare(seen, ONE, WITHIN)[0] is ReplayOutcome.WITHIN
    assert compare(ONE, seen, None)[0] is ReplayOutcome.DIFFERS


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (
            replace(ONE, decision=Decision.PASS),
            "decision: PASS, recorded REJECT (nearest to T 4: severity 8.00)",
        ),
        (Verdict.unknown(7, reason="late"), "decision: UNKNOWN, recorded REJECT (nearest to T 4: "),
        (reject(defect(15)), "defects: hole at [10, 20, 20, 30] not found"),
        (reject(), "defects: hole at [10, 20, 20, 30] not found"),
        (reject(defect(), defect(60)), "defects: hole at [60, 20, 70, 30] not recorded"),
        (reject(defect(kind="stain")), "defects: stain at [10, 20, 20, 30] instead of hole"),
        (reject(defect(peak=8.6)), "defects: severity 8.60 at"),
        (reject(defect(), peak=8.6), "peak_severity: 8.60, recorded 8.00"),
        (reject(defect(), peak=float("nan")), "peak_severity: nan, recorded 8.00"),
        (reject(defect(confidence=0.6)), "defects: confidence 0.60 at"),
        (
            reject(defect(region=replace(defect().region, area_px=70))),
            "defects: area 70 px at [10, 20, 20, 30], not 100",
        ),
    ],
)
def test_what_they_may_not(seen: Verdict, said: str) -> None:
    outcome, difference = compare(ONE, seen, WITHIN)
    assert outcome is ReplayOutcome.DIFFERS
    assert difference is not None
    assert difference.startswith(said)


def test_two_refusals_of_a_frame_are_the_same_only_in_the_same_words() -> None:
    one, other = (Verdict.unknown(7, reason=reason) for reason in ("no surface", "too small"))
    assert compare(one, one, WITHIN)[0] is ReplayOutcome.SAME
    assert compare(one, other, WITHIN) == (ReplayOutcome.DIFFERS, "reason")


@given(
    st.floats(0, 12, allow_subnormal=False),
    st.floats(-0.5, 0.5),
    st.integers(-4, 4),
)
def test_within_means_within(peak: float, off: float, moved: int) -> None:
    """Whatever the two engines say, as long as each figure is inside its limit."""
    seen = reject(defect(10 + moved, peak=peak + off), peak=peak + off)
    outcome, _ = compare(reject(defect(peak=peak), peak=peak), seen, WITHIN)
    allowed = abs((peak + off) - peak) <= 0.5
    assert (outcome is not ReplayOutcome.DIFFERS) == allowed
