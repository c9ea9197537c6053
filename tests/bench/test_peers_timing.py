"""Turns: the order of runs, the counted runs, and the arithmetic of a spread."""

from __future__ import annotations

import os

import pytest

from bench.timing import LEAST_RUNS, Call, Spread, Turns, bind, interleave


def history(turns: Turns) -> tuple[str, dict[str, list[float]]]:
    """Return the order in which two candidates ran, and the counted times."""
    order: list[str] = []

    def recorded(name: str) -> Call:
        return lambda: order.append(name)

    times_of = interleave({name: recorded(name) for name in "ab"}, turns)
    return "".join(order), times_of


def test_candidates_take_turns_and_warm_up_is_not_counted() -> None:
    order, times_of = history(Turns(rounds=2, repeat=3, settle=1, warm_up=1))
    assert order == "aaaabbbb" * 3
    assert {name: len(times) for name, times in times_of.items()} == {"a": 6, "b": 6}
    assert all(time_ms >= 0 for times in times_of.values() for time_ms in times)


def test_without_settling_and_warm_up_every_run_counts() -> None:
    order, times_of = history(Turns(rounds=1, repeat=2, warm_up=0))
    assert order == "aabb"
    assert len(times_of["a"]) == 2


def test_a_turn_ends_when_its_time_is_over() -> None:
    _, times_of = history(Turns(rounds=2, repeat=50, turn_ms=0))
    assert len(times_of["a"]) == 2 * LEAST_RUNS
    _, times_of = history(Turns(rounds=2, repeat=50, turn_ms=1e6))
    assert len(times_of["a"]) == 2 * 50


def test_a_spread_agrees_with_one_made_by_hand() -> None:
    spread = Spread.of([float(n) for n in range(101)])
    assert spread == Spread(101, 50.0, 10.0, 90.0, 99.0)


def test_a_core_that_is_not_allowed_is_refused() -> None:
    allowed = os.sched_getaffinity(0)
    with pytest.raises(ValueError, match=r"core 9999: expected one of"):
        bind(9999)
    assert os.sched_getaffinity(0) == allowed
