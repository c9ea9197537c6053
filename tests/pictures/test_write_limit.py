"""Tests of the write limit: within any 24 hours no more bytes are written than allowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.pictures.write_limit import DAY_S, WriteLimit


@given(st.lists(st.tuples(st.floats(0, DAY_S), st.integers(1, 600)), max_size=60))
def test_within_any_24_hours_the_limit_holds(requests: list[tuple[float, int]]) -> None:
    allowance, now_s = WriteLimit(1000, now_s=0.0), 0.0
    spent: list[tuple[float, int]] = []
    for pause_s, size in requests:
        now_s += pause_s
        if allowance.spend(size, now_s):
            spent.append((now_s, size))
        day = sum(each for at_s, each in spent if now_s - DAY_S <= at_s)
        assert day <= 1000 + 1e-6


def test_half_of_the_bytes_at_once_and_the_rest_over_the_day() -> None:
    allowance = WriteLimit(1000, now_s=5.0)
    assert allowance.spend(500, 5.0)
    assert not allowance.spend(1, 5.0)
    assert not allowance.spend(251, 5.0 + DAY_S / 2)
    assert allowance.spend(250, 5.0 + DAY_S / 2)
    assert allowance.left(5.0 + 10 * DAY_S) == 500


def test_a_clock_that_goes_back_grants_nothing() -> None:
    allowance = WriteLimit(1000, now_s=100.0)
    allowance.spend(500, 100.0)
    assert allowance.left(50.0) == 0.0
    assert allowance.left(50.0 + DAY_S) == 500


def test_the_limit_continues_with_the_bytes_that_were_left() -> None:
    assert WriteLimit(1000, now_s=0.0, left_bytes=120.0).left(0.0) == 120.0
    assert WriteLimit(100, now_s=0.0, left_bytes=120.0).left(0.0) == 50  # the cap was lowered
    overdrawn = WriteLimit(1000, now_s=0.0)
    overdrawn.overdraw(700, 0.0)
    assert overdrawn.left(0.0) == -200
    assert not overdrawn.spend(1, DAY_S * 0.4)
    assert overdrawn.left(DAY_S) == 300
