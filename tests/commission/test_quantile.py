"""A bound of p99.9 that is one, and a sample that is too small for it."""

import random

import pytest

from edge.commission.quantile import LEAST_FOR_P999, least_count, rule_of_three, upper_bound


def test_too_few_say_nothing() -> None:
    assert least_count() == LEAST_FOR_P999
    assert upper_bound([1.0] * (LEAST_FOR_P999 - 1)) is None
    assert upper_bound([1.0] * LEAST_FOR_P999) == 1.0


@pytest.mark.parametrize(("count", "above"), [(2995, 0), (4741, 0), (4742, 1), (5000, 1)])
def test_how_many_may_lie_above(count: int, above: int) -> None:
    """As binomial tables have it: P(at most 1 of 4742 above p99.9) is the first below 0.05."""
    assert upper_bound(range(count)) == count - 1 - above


@pytest.mark.parametrize("count", [200_000, 2_000_000])
def test_a_fast_machine_takes_more_values_than_a_float_has_room_for(count: int) -> None:
    """The coefficients pass 10 ** 308, and 0.999 ** n is no float at all; the binomial is the
    normal's by then: its 5 % point, within two values."""
    bound = upper_bound(range(count))
    assert bound is not None
    above = count - 1 - bound
    assert abs(above - (count * 0.001 - 1.645 * (count * 0.001) ** 0.5)) <= 2


def test_the_bound_is_above_p999_in_nineteen_of_twenty_samples() -> None:
    chance = random.Random(1)
    held = 0
    for _ in range(200):
        bound = upper_bound([chance.random() for _ in range(3000)])
        assert bound is not None
        held += bound >= 0.999
    assert held >= 180  # 190 expected


def test_the_rule_of_three() -> None:
    assert [rule_of_three(n) for n in (0, 1, 20, 300)] == [1.0, 1.0, 0.15, 0.01]
    for n in (20, 300):  # on the safe side of the exact bound
        assert rule_of_three(n) >= 1 - 0.05 ** (1 / n)
