"""The latency of the detector on this machine, in int8 and in float, on one core.

`ExportOptions.with_float` "auto" packs the float network where int8 is not faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from edge.engines.engine import Engine

ROUNDS, RUNS = 7, 5  # the median over the rounds counts; each round times RUNS runs together


@dataclass(frozen=True, slots=True)
class Latency:
    """The time of one run of the detector.

    Attributes:
        name: name of the build.
        ms: median over the rounds, in milliseconds a run.
    """

    name: str
    ms: float


def measure(engines: Mapping[str, Engine]) -> tuple[Latency, ...]:
    """Time the engines, in the order in which they are given.

    The engines take turns, so that other load on the machine affects all of them equally. Blocks
    for less than a second for a small network, and for some seconds for a large one.
    """
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            engine.run()  # loads its weights into the caches again
            start = time.perf_counter_ns()
            for _ in range(RUNS):
                engine.run()
            taken[name].append((time.perf_counter_ns() - start) / 1e6 / RUNS)
    return tuple(Latency(name, statistics.median(values)) for name, values in taken.items())
