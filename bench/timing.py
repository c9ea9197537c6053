"""Timing of candidates in turns on one core, so that a noisy machine affects all alike."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import Progress

Call = Callable[[], object]
Key = TypeVar("Key", bound=Hashable)
LEAST_RUNS = 3  # in a turn of a candidate that exceeds the turn's duration


@dataclass(frozen=True, slots=True)
class Turns:
    """The number and duration of the turns of each candidate.

    Each candidate has one turn in a round. A turn begins with ``settle`` runs that are not counted,
    because the caches still hold the data of the candidate before. Then follow ``repeat`` runs back
    to back. After ``turn_ms`` the turn ends, but not before LEAST_RUNS runs. ``warm_up`` rounds
    before the first round are not counted.
    """

    rounds: int
    repeat: int = 1
    settle: int = 0
    warm_up: int = 1
    turn_ms: float = math.inf


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of the counted runs of one candidate, in milliseconds."""

    runs: int
    median_ms: float
    p10_ms: float
    p90_ms: float
    p99_ms: float

    @classmethod
    def of(cls, times_ms: list[float]) -> Spread:
        """Return the distribution of at least one run."""
        p10, median, p90, p99 = np.percentile(times_ms, [10, 50, 90, 99])
        return cls(len(times_ms), float(median), float(p10), float(p90), float(p99))


def bind(core: int | None = None) -> int:
    """Bind this process to one core and return its number; the first allowed core by default.

    Call it before a library starts threads. Raises ValueError for a core that is not allowed.
    """
    allowed = os.sched_getaffinity(0)
    if core is None:
        core = min(allowed)
    if core not in allowed:
        raise ValueError(f"core {core}: expected one of {', '.join(map(str, sorted(allowed)))}")
    os.sched_setaffinity(0, {core})
    return core


def interleave(calls: Mapping[Key, Call], turns: Turns) -> dict[Key, list[float]]:
    """Return the milliseconds of every counted run, by candidate. Blocks for all rounds."""
    taken: dict[Key, list[float]] = {key: [] for key in calls}
    console = Console(stderr=True)
    # Drawn between rounds, because a drawing thread would disturb the timing.
    with Progress(
        console=console, auto_refresh=False, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("measuring", total=turns.warm_up + turns.rounds)
        for number in range(turns.warm_up + turns.rounds):
            for key, call in calls.items():
                times = _turn(call, turns)
                if number >= turns.warm_up:
                    taken[key] += times
            progress.advance(task)
            progress.refresh()
    return taken


def _turn(call: Call, turns: Turns) -> list[float]:
    for _ in range(turns.settle):
        call()
    times: list[float] = []
    until_ns = math.inf
    if math.isfinite(turns.turn_ms):
        until_ns = time.perf_counter_ns() + turns.turn_ms * 1e6
    for number in range(turns.repeat):
        start_ns = time.perf_counter_ns()
        if number >= LEAST_RUNS and start_ns > until_ns:
            break
        call()
        times.append((time.perf_counter_ns() - start_ns) / 1e6)
    return times
