"""Whether int8 is worth it on this machine: both networks in turn, one core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from edge.engines.engine import Engine

ROUNDS, RUNS = 7, 5


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of one run of the detector, the median of rounds of runs back to back."""

    name: str
    ms: float


def measure(engines: Mapping[str, Engine]) -> tuple[Latency, ...]:
    """Engines in turn, so that whatever else the machine does hits all of them. Blocks for less
    than a second of a small network, some seconds of a large one."""
    taken: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS):
        for name, engine in engines.items():
            engine.run()  # its weights come back into the caches
            start = time.perf_counter_ns()
            for _ in range(RUNS):
                engine.run()
            taken[name].append((time.perf_counter_ns() - start) / 1e6 / RUNS)
    return tuple(Latency(name, statistics.median(values)) for name, values in taken.items())
