"""The limits by simulation: the parts between false alarms, and the delay of an alarm."""

import numpy as np
import pytest

from edge.drift.cusum import Cusum, average_run_length, caps, limit_for

STREAMS = 3000


def charts(slack: float, limit: float, *, count: int = STREAMS, down_only: bool = True) -> Cusum:
    """Return sums over streams of mean 0 and spread 1, without a cap."""
    ones = np.ones(count)
    return Cusum(0 * ones, slack * ones, limit * ones, np.inf * ones, np.full(count, down_only))


def run_lengths(chart: Cusum, draw, *, parts: int, count: int = STREAMS) -> np.ndarray:
    """Return the parts until each stream is first over its limit; ``parts`` where it never is."""
    first = np.full(count, parts)
    for part in range(1, parts + 1):
        over = chart.update(draw(part), part)
        first[over & (first == parts)] = part
    return first


def test_a_limit_gives_the_run_length_it_was_made_for() -> None:
    for slack in (0.1, 0.5, 0.8):
        limit = limit_for(np.array([slack]), 1e7)
        assert average_run_length(np.array([slack]), limit)[0] == pytest.approx(1e7, rel=1e-6)


def test_no_limit_is_reached_by_one_part() -> None:
    slack = np.array([5.0])
    assert limit_for(slack, 1e7)[0] == 8 * 5.0
    assert limit_for(np.array([0.5]), 0.0)[0] == 4.0  # nor where no limit on alarms is asked for


@pytest.mark.parametrize("slack", [0.25, 0.5])
def test_false_alarms_are_as_frequent_as_siegmund_predicts(slack: float) -> None:
    rng = np.random.default_rng(7)
    limit = float(np.log(2 * slack**2 * 300 + 9) / (2 * slack))
    wanted = average_run_length(np.array([slack]), np.array([limit]))[0]
    lengths = run_lengths(charts(slack, limit), lambda _: rng.normal(size=STREAMS), parts=3000)
    assert lengths.mean() == pytest.approx(wanted, rel=0.12)


def test_the_long_run_spread_stands_for_the_spread_where_parts_depend_on_each_other() -> None:
    # AR(1) with 0.8 of the part before: the long-run spread is three times that of a part.
    rng, last = np.random.default_rng(8), np.random.default_rng(9).normal(size=STREAMS)

    def draw(_: int) -> np.ndarray:
        last[:] = 0.8 * last + 0.6 * rng.normal(size=STREAMS)
        return last

    slack, long_run = 0.5, 3.0
    limit = limit_for(np.array([slack / long_run]), 2000)[0] * long_run
    with_it = run_lengths(charts(slack, limit), draw, parts=2000)
    naive = limit_for(np.array([slack]), 2000)[0]
    without = run_lengths(charts(slack, naive), draw, parts=2000)
    # Exponential with a mean of 2000: 63 % have alarmed by then. Above it, it is on the safe side.
    assert 0.2 < (with_it < 2000).mean() < 0.7
    assert (without < 2000).mean() > 0.99


def test_a_step_is_detected_as_soon_as_the_theory_predicts() -> None:
    rng = np.random.default_rng(10)
    limit = limit_for(np.array([0.5]), 1e7)[0]
    lengths = run_lengths(charts(0.5, limit), lambda _: rng.normal(-1.0, size=STREAMS), parts=400)
    # Siegmund for a mean that is 0.5 beyond the slack: (e^-w + w - 1) / (2 · 0.5²).
    way = 2 * 0.5 * (limit + 1.166)
    assert lengths.mean() == pytest.approx((np.exp(-way) + way - 1) / 0.5, rel=0.03)
    assert lengths.max() < 400


def one(**given: float) -> Cusum:
    values = {"expected": 0.0, "slack": 0.5, "limit": 4.0, "cap": 3.0, "down_only": 0.0, **given}
    arrays = {name: np.array([value]) for name, value in values.items()}
    arrays["down_only"] = arrays["down_only"].astype(bool)
    return Cusum(**arrays)


def history(chart: Cusum, values: list[float]) -> list[bool]:
    return [bool(chart.update(np.array([value]), part)[0]) for part, value in enumerate(values, 1)]


def test_over_lasts_until_the_sum_is_zero_again() -> None:
    chart = one()
    # +1 each: 4.0 at the 8th part of 1.0; then -0.5 each, eight parts back.
    assert history(chart, [1.0] * 8) == [False] * 7 + [True]
    assert history(chart, [1.0] * 100) == [True] * 100  # the sum stays at its limit
    assert history(chart, [0.0] * 8) == [True] * 7 + [False]


def test_one_odd_part_counts_as_the_cap() -> None:
    assert history(one(), [1e9, 0.0, 0.0, 0.0, 0.0, 0.0]) == [False] * 6
    assert history(one(), [-1e9, -1e9]) == [False, True]


def test_a_part_without_a_value_changes_nothing() -> None:
    chart = one()
    assert history(chart, [1.0] * 7 + [float("nan")] * 50 + [1.0]) == [False] * 57 + [True]
    assert chart.since(0) == 1
    assert chart.value(0) == 1.0


def test_since_value_and_side() -> None:
    chart = one()
    assert chart.value(0) == 0.0
    history(chart, [0.0, 0.2, 0.0, -2.0, -2.0])
    assert (chart.since(0), chart.value(0), chart.share(0)) == (4, -2.0, 0.75)


def test_one_side_only() -> None:
    chart = one(down_only=1.0)
    assert history(chart, [2.0] * 50) == [False] * 50
    assert history(chart, [-2.0] * 3) == [False, False, True]


def test_a_limit_of_infinity_watches_nothing() -> None:
    assert history(one(limit=np.inf), [2.0] * 50) == [False] * 50


def test_caps() -> None:
    assert caps(np.array([0.1, 0.1]), np.array([0.01, 1.0])).tolist() == pytest.approx([0.3, 3.0])
