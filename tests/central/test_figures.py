"""The statistics, against scipy, against formulas worked by hand, and over simulated months."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from central.figures.charts import (
    ChartGroup,
    FrozenLimits,
    freeze,
    share_chart,
    staged_charts,
)
from central.figures.cusum import (
    average_run_length,
    design_cusum,
    follow_cusum,
    parts_until_detected,
)
from central.figures.pareto import OTHER, histogram, pareto
from central.figures.rates import beta_share, exact_lower, exact_upper, wilson_bounds

CASES = [(0, 1), (1, 1), (0, 50), (1, 50), (3, 400), (200, 400), (400, 400), (17, 1_000_000)]


@pytest.mark.parametrize(("counted", "parts"), CASES)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.9999])
def test_the_bounds_are_those_of_scipy(counted: int, parts: int, confidence: float) -> None:
    test = stats.binomtest(counted, parts)
    wilson = test.proportion_ci(confidence, method="wilson")
    ours = wilson_bounds(counted, parts, confidence)
    assert ours.rate == counted / parts
    assert (ours.lower, ours.upper) == pytest.approx((wilson.low, wilson.high), abs=1e-12)
    greater = stats.binomtest(counted, parts, alternative="greater")
    less = stats.binomtest(counted, parts, alternative="less")
    assert exact_lower(counted, parts, confidence) == pytest.approx(
        greater.proportion_ci(confidence, method="exact").low, abs=1e-11
    )
    assert exact_upper(counted, parts, confidence) == pytest.approx(
        less.proportion_ci(confidence, method="exact").high, abs=1e-11
    )


@pytest.mark.parametrize(
    ("a", "b"), [(0.5, 0.5), (1, 9), (300, 200), (5e5, 5e5), (20, 999_981), (0.1, 1e6)]
)
def test_the_beta_distribution_is_that_of_scipy(a: float, b: float) -> None:
    for share in (1e-9, 0.01, 0.5, 0.9, 0.999999):
        x = stats.beta.ppf(share, a, b)
        assert beta_share(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-7, abs=1e-12)
    assert (beta_share(0, a, b), beta_share(1, a, b)) == (0, 1)


@pytest.mark.parametrize(("counted", "parts"), [(1, 0), (-1, 5), (6, 5)])
def test_numbers_that_are_no_rate_are_refused(counted: int, parts: int) -> None:
    with pytest.raises(ValueError, match="parts"):
        wilson_bounds(counted, parts)
    with pytest.raises(ValueError, match="parts"):
        exact_lower(counted, parts, 0.95)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5])
def test_a_confidence_is_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        exact_lower(1, 2, confidence)


def groups(parts: np.ndarray, counted: np.ndarray, stage: str = "") -> list[ChartGroup]:
    return [
        ChartGroup(at, int(n), int(x), stage)
        for at, (n, x) in enumerate(zip(parts, counted, strict=True))
    ]


def test_limits_by_the_formulas_of_laney() -> None:
    # Worked as in the paper: p̄ = Σx/Σn, z = (p − p̄)/√(p̄(1 − p̄)/n), σz = mean |Δz| / 1.128.
    n = np.array([200, 400, 200, 400, 200, 400, 200, 400])
    x = np.array([4, 20, 6, 16, 10, 12, 2, 20])
    p_bar = 90 / 2400
    sigma = np.sqrt(p_bar * (1 - p_bar) / n)
    z = (x / n - p_bar) / sigma
    sigma_z = np.abs(np.diff(z)).mean() / 1.128
    chart = share_chart(groups(n, x))
    assert chart.limits is not None
    assert chart.limits.centre == pytest.approx(p_bar)
    assert chart.limits.spread == pytest.approx(sigma_z)
    assert chart.limits.groups == 8
    got = [(each.lower, each.upper, each.laney_lower, each.laney_upper) for each in chart.points]
    want = np.stack(
        [
            np.clip(p_bar - 3 * sigma, 0, 1),
            np.clip(p_bar + 3 * sigma, 0, 1),
            np.clip(p_bar - 3 * sigma * sigma_z, 0, 1),
            np.clip(p_bar + 3 * sigma * sigma_z, 0, 1),
        ],
        axis=1,
    )
    assert np.allclose(got, want)


def test_with_large_groups_the_p_chart_alarms_too_often_and_laneys_does_not() -> None:
    # A day's rate varies by a tenth of itself, as rates do. 20,000 parts an hour, 90 days.
    random = np.random.default_rng(7)
    rate = np.clip(random.normal(0.03, 0.003, 24 * 90), 0.001, 1)
    parts = np.full(rate.size, 20_000)
    chart = share_chart(groups(parts, random.binomial(parts, rate)))
    plain = sum(each.is_outside_p for each in chart.points)
    laney = sum(each.is_outside for each in chart.points)
    assert plain > 150
    assert laney < 0.01 * len(chart.points)


def test_without_extra_spread_both_charts_agree() -> None:
    random = np.random.default_rng(8)
    parts = random.integers(500, 1500, 2000)
    chart = share_chart(groups(parts, random.binomial(parts, 0.05)))
    assert chart.limits is not None
    assert chart.limits.spread == pytest.approx(1, abs=0.06)
    assert sum(each.is_outside_p for each in chart.points) < 0.006 * 2000
    assert sum(each.is_outside for each in chart.points) < 0.006 * 2000


def test_frozen_limits_are_not_changed_by_later_groups() -> None:
    limits = FrozenLimits(0.02, 1.5, 30)
    later = groups(np.full(10, 1000), np.full(10, 60))
    chart = share_chart(later, limits)
    assert chart.is_frozen
    assert chart.limits == limits
    assert all(each.is_outside for each in chart.points)
    assert not any(each.is_outside for each in share_chart(later).points)


def test_too_few_groups_have_no_limits() -> None:
    seven = groups(np.full(7, 100), np.full(7, 3))
    assert freeze(seven) is None
    assert share_chart(seven).points == ()
    # A group without parts is no group.
    assert freeze([*seven, ChartGroup(9, 0, 0)]) is None
    assert freeze([*seven, ChartGroup(9, 10, 0)]) is not None


@pytest.mark.parametrize("share", [0, 1])
def test_a_rate_of_nothing_or_all_has_limits_without_an_error(share: int) -> None:
    chart = share_chart(groups(np.full(9, 100), np.full(9, 100 * share)))
    assert chart.limits == FrozenLimits(share, 1.0, 9)
    assert not any(each.is_outside for each in chart.points)


def test_each_stage_has_limits_of_its_own() -> None:
    first = groups(np.full(10, 1000), np.full(10, 10), "bundle-1")
    second = groups(np.full(10, 1000), np.full(10, 90), "bundle-2")
    charts = staged_charts([*first, *second, *first])
    assert [each.stage for each in charts] == ["bundle-1", "bundle-2", "bundle-1"]
    assert [each.limits.centre for each in charts if each.limits] == [0.01, 0.09, 0.01]
    assert staged_charts([]) == ()


def test_the_run_length_is_that_of_a_simulation() -> None:
    design = design_cusum(0.02, 0.06, 3_000)
    random = np.random.default_rng(11)
    lengths = []
    for _ in range(400):
        total = number = 0
        while total < design.limit:
            for counts in random.random(500) < design.normal:
                number += 1
                total = max(0, total + (design.step - 1 if counts else -1))
                if total >= design.limit:
                    break
        lengths.append(number)
    error = np.std(lengths) / np.sqrt(len(lengths))
    assert abs(np.mean(lengths) - design.run_length) < 4 * error


def test_the_run_length_by_hand() -> None:
    # Limit 1: the first part that counts alarms, after 1/p parts.
    assert average_run_length(0.25, 3, 1) == pytest.approx(4)
    # Step 2, limit 2: states 0 and 1. L0 = 1 + p·L1 + q·L0 and L1 = 1 + q·L0 give (1 + p)/p².
    assert average_run_length(0.25, 2, 2) == pytest.approx(1.25 / 0.0625)
    assert average_run_length(0.0, 2, 2) == float("inf")


def test_a_design_has_the_lowest_limit_with_the_budget_and_detects_early() -> None:
    design = design_cusum(0.01, 0.03, 100_000)
    assert design.run_length >= 100_000
    assert average_run_length(0.01, design.step, design.limit - 1) < 100_000
    assert parts_until_detected(design) < 1_000
    assert average_run_length(0.005, design.step, design.limit) > 10 * design.run_length


def test_false_alarms_of_simulated_months_are_within_the_limit() -> None:
    # 40 stations of a part a second for 30 days, in groups of five minutes. The limit on false
    # alarms is one a month and station.
    month = 30 * 86_400
    design = design_cusum(0.01, 0.02, month)
    random = np.random.default_rng(5)
    alarms = 0
    for _ in range(40):
        total = 0
        for counted in random.binomial(300, 0.01, month // 300):
            total = follow_cusum(design, [(300, int(counted))], total)
            if total >= design.limit:
                alarms += 1
                total = 0
    # By groups it alarms later than by parts, so there are fewer than 40.
    assert alarms <= stats.poisson.ppf(0.999, 40)
    assert alarms > 0


def test_a_group_never_alarms_before_its_parts() -> None:
    design = design_cusum(0.05, 0.15, 2_000)
    random = np.random.default_rng(3)
    for _ in range(200):
        parts = random.random(300) < 0.12
        one_by_one = [0]
        for each in parts:
            one_by_one.append(follow_cusum(design, [(1, int(each))], one_by_one[-1]))
        together = follow_cusum(design, [(300, int(parts.sum()))])
        assert together < design.limit or max(one_by_one) >= design.limit


@pytest.mark.parametrize(
    ("normal", "raised", "length"),
    [
        (0, 0.1, 100),
        (0.1, 0.1, 100),
        (0.2, 0.1, 100),
        (0.1, 1, 100),
        (0.1, 0.2, 0),
        (0.1, 0.2, 1e15),
    ],
)
def test_a_design_from_other_numbers_is_refused(
    normal: float, raised: float, length: float
) -> None:
    with pytest.raises(ValueError, match="expected"):
        design_cusum(normal, raised, length)


def test_rates_that_hardly_differ_are_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="differ more"):
        design_cusum(0.001, 0.00101, 1e9)


def test_pareto_by_number_then_by_name() -> None:
    bars = pareto({"dent": 2, "scratch": 5, "none": 0, "burr": 2, "crack": 1})
    assert [(each.kind, each.count) for each in bars] == [
        ("scratch", 5),
        ("burr", 2),
        ("dent", 2),
        ("crack", 1),
    ]
    assert [each.share for each in bars] == [0.5, 0.2, 0.2, 0.1]
    assert [each.cumulated for each in bars] == pytest.approx([0.5, 0.7, 0.9, 1.0])
    assert pareto({}) == ()


def test_the_rarest_kinds_become_one_bar() -> None:
    bars = pareto({f"kind {number}": 20 - number for number in range(10)}, most=4)
    assert [each.kind for each in bars] == ["kind 0", "kind 1", "kind 2", OTHER]
    assert bars[-1].count == sum(20 - number for number in range(3, 10))
    assert bars[-1].cumulated == 1


def test_a_histogram_keeps_values_outside_its_edges() -> None:
    bins = histogram({-4: 1, 0: 2, 1: 3, 9: 4}, [0, 1, 2, 3])
    assert [(each.start, each.end, each.count) for each in bins] == [
        (0, 1, 3),
        (1, 2, 3),
        (2, 3, 4),
    ]
