"""The rules of shadow and probation, on a zoo of good and bad bundles."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edge.records import Decision
from edge.update_notes import TrialFigures
from edge.updates.bounds import lower_bound, upper_bound
from edge.updates.desired import ProbationLimits, ShadowLimits
from edge.updates.probation import ProbationWatch
from edge.updates.shadow import ShadowCount, ShadowedPart, raised
from models.evaluation import interval

P, R, U = Decision.PASS, Decision.REJECT, Decision.UNKNOWN
BUDGET_MS = 50.0


@pytest.mark.parametrize(
    ("count", "total"),
    [(0, 0), (0, 1), (1, 1), (0, 3000), (3, 3000), (15, 30), (2999, 3000), (10_000, 300_000)],
)
@pytest.mark.parametrize("confidence", [0.6, 0.95, 0.9999])
def test_the_bounds_are_those_of_clopper_and_pearson(
    count: int, total: int, confidence: float
) -> None:
    upper = interval.upper_bound(count, total, confidence)
    lower = interval.lower_bound(count, total, confidence)
    assert upper_bound(count, total, confidence) == pytest.approx(upper, abs=1e-9)
    assert lower_bound(count, total, confidence) == pytest.approx(lower, abs=1e-9)


def part(
    running: Decision = P, new: Decision | None = P, kind: str = "", ms: float = 5.0
) -> ShadowedPart:
    return ShadowedPart(running, kind or ("hole" if running is R else ""), new, ms)


def shadow(
    parts: Iterable[ShadowedPart], limits: ShadowLimits | None = None
) -> tuple[str | None, ShadowCount]:
    """The fault of a shadow of these parts, as the process would find it."""
    count = ShadowCount(TrialFigures(), limits or ShadowLimits(), BUDGET_MS)
    for each in parts:
        count.add(each)
        if (early := count.early_fault()) is not None:
            return early, count
    assert count.is_complete
    return count.fault(), count


def production(rejects: int = 40, parts: int = 3000) -> list[ShadowedPart]:
    """Parts on which both bundles agree, with two kinds of defects."""
    every = parts // rejects
    bad = [part(R, R, "hole"), part(R, R, "stain")]
    return [part() if number % every else bad[number // every % 2] for number in range(parts)]


def test_a_bundle_that_agrees_passes() -> None:
    fault, count = shadow(production())
    assert fault is None
    figures = count.closed()
    assert (figures.parts, figures.rejects, figures.new_rejects) == (3000, 40, 0)
    assert figures.new_rejects_upper == pytest.approx(0.000998, abs=1e-6)
    assert figures.p999_ms == pytest.approx(5.0, rel=0.06)


def test_too_few_parts_or_rejects_are_no_shadow() -> None:
    limits = ShadowLimits(parts=10, rejects=2)
    count = ShadowCount(TrialFigures(), limits, BUDGET_MS)
    for _ in range(20):
        count.add(part())
    assert not count.is_complete
    count.add(part(R, R))
    count.add(part(R, R))
    assert count.is_complete


def test_the_station_raises_the_limits_and_never_lowers_them() -> None:
    assert raised(ShadowLimits(parts=10, rejects=50), 3000, 30) == ShadowLimits(
        parts=3000, rejects=50
    )


BLIND = [part(each.running, P, each.kind) for each in production()]
EAGER = [part(each.running, R, each.kind) for each in production()]
ONE_KIND = [
    part(each.running, P if each.kind == "stain" else each.new, each.kind) for each in production()
]
SLOW = [part(each.running, each.new, each.kind, 80.0) for each in production()]
SOMETIMES_SLOW = [
    part(each.running, each.new, each.kind, 80.0 if number % 200 == 0 else 5.0)
    for number, each in enumerate(production())
]
FAILING = [part(each.running, None, each.kind) for each in production()]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (BLIND, "it passes every part with"),
        (EAGER, "only it rejects"),
        (ONE_KIND, "it passes every part with 'stain'"),
        (SLOW, "processor time"),
        (SOMETIMES_SLOW, "processor time"),
        (FAILING, "it fails on"),
    ],
    ids=["blind", "over-eager", "one kind missing", "slow", "sometimes slow", "failing"],
)
def test_the_zoo_is_refused_early(parts: list[ShadowedPart], expected: str) -> None:
    fault, count = shadow(parts)
    assert fault is not None
    assert expected in fault
    assert count.figures.parts <= 3000


def test_a_few_new_rejects_are_refused_by_the_bound_and_not_by_the_share() -> None:
    parts = [
        part(P, R) if number in (50, 900, 1800, 2700, 2900) and each.running is P else each
        for number, each in enumerate(production(), 1)
    ]
    fault, count = shadow(parts, ShadowLimits(new_rejects=0.003))
    assert count.figures.new_rejects == 5
    assert 5 / 3000 < 0.003
    assert fault is not None
    assert "with 95 % confidence" in fault
    assert shadow(parts, ShadowLimits(new_rejects=0.01))[0] is None


def test_half_of_the_rejects_lost_are_too_many() -> None:
    parts = [
        part(R, P, each.kind) if each.running is R and number % 5 == 0 else each
        for number, each in enumerate(production(rejects=60))
    ]
    lost = sum(each.running is R and each.new is P for each in parts)
    fault, _ = shadow(parts, ShadowLimits(lost_rejects=(lost - 1) / 60))
    assert fault is not None


def test_a_marked_part_that_it_passes_refuses_it() -> None:
    count = ShadowCount(TrialFigures(), ShadowLimits(), BUDGET_MS)
    count.add_marked(is_found=True)
    assert count.early_fault() is None
    count.add_marked(is_found=False)
    assert count.early_fault() == (
        "it passes 1 of 2 parts that people marked as true-reject or escape"
    )


PREDICTED = TrialFigures(parts=3000, rejects=60, bundle_rejects=60)


def watch(
    decisions: Iterable[Decision],
    limits: ProbationLimits | None = None,
    predicted: TrialFigures = PREDICTED,
    ms: float = 5.0,
) -> tuple[str | None, ProbationWatch]:
    one = ProbationWatch(limits or ProbationLimits(), predicted, BUDGET_MS)
    for each in decisions:
        one.record(each)
        one.record_time(ms)
        if (fault := one.fault()) is not None:
            return fault, one
    return None, one


def test_a_probation_as_predicted_is_complete() -> None:
    fault, one = watch([R if number % 50 == 0 else P for number in range(3000)])
    assert fault is None
    assert one.is_complete
    assert one.closed().p999_ms == pytest.approx(5.0, rel=0.06)


@pytest.mark.parametrize(
    ("decisions", "expected", "most"),
    [
        ([U] * 10, "UNKNOWN", 1),
        ([P] * 150 + [U, P, U], "UNKNOWN", 153),
        ([R] * 3000, "the shadow predicted 2 %", 40),
        ([P] * 3000, "the shadow predicted 2 %", 1000),
    ],
    ids=["late at once", "late later", "over-eager", "blind"],
)
def test_a_probation_that_leaves_the_prediction_is_reverted(
    decisions: list[Decision], expected: str, most: int
) -> None:
    fault, one = watch(decisions)
    assert fault is not None
    assert expected in fault
    assert one.figures.parts <= most


def test_one_unknown_part_in_a_thousand_is_no_reason() -> None:
    assert watch([P] * 49 + [R] + [P] * 150 + [U] + [P] * 49 + [R, R, R])[0] is None


def test_slow_inspections_are_reverted_by_their_percentile() -> None:
    fault, one = watch([R if number % 50 == 0 else P for number in range(3000)], ms=60.0)
    assert fault is not None
    assert "99.9th percentile" in fault
    assert 1000 <= one.figures.parts < 1040


def test_chance_alone_does_not_revert_a_good_bundle() -> None:
    import random

    reverted = 0
    for seed in range(10):
        draw = random.Random(seed)
        shadow_rejects = sum(draw.random() < 0.02 for _ in range(3000))
        predicted = TrialFigures(parts=3000, bundle_rejects=shadow_rejects)
        decisions = (R if draw.random() < 0.02 else P for _ in range(3000))
        reverted += watch(decisions, ProbationLimits(reject_margin=0.0), predicted)[0] is not None
    assert reverted <= 1
