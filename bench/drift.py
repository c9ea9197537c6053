"""Simulate false alarms and detection delays of the drift monitor: ``python -m bench.drift``.

False alarms: streams of numbers as parts give them, over stations with a learned baseline. The
numbers are independent or depend on the part before, with or without a daily wave.

Delays: pictures of a simulated line, measured as a station measures them. A lens, a lamp or a nest
changes at once or slowly. The tables are in docs/benchmarks/drift.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.drift_line import CASES, DriftCase, DriftLine
from edge.drift import Baseline, FalseAlarmRate, Learner, Measurer, Watch, streams
from edge.drift.measurer import small_picture
from edge.drift.template import Template

Floats = NDArray[np.float64]

LEARN = 1000
SECOND_NS = 1_000_000_000
# Part-to-part spreads of real surfaces: for each scalar the widest of four data sets, for the cells
# a usual one.
SPREADS = np.concatenate([[0.05, 0.01, 0.2, 0.06, 0.06, 0.06, 0.25, 0.25, 0.4], np.full(512, 0.1)])


@dataclass(frozen=True, slots=True)
class PartVariation:
    """The variation of parts.

    memory: correlation with the part before. wave: amplitude of a daily wave, in shifts.
    """

    name: str
    memory: float
    wave: float


KINDS = (
    PartVariation("independent", 0.0, 0.0),
    PartVariation("0.9 of the part before", 0.9, 0.0),
    PartVariation("0.9, and a wave of a quarter shift a day", 0.9, 0.25),
    PartVariation("0.99 of the part before", 0.99, 0.0),
)


class MeasurementSource:
    """A source of measurement vectors with the given variation."""

    def __init__(self, kind: PartVariation, seed: int, parts_a_day: float) -> None:
        self._kind = kind
        self._rng = np.random.default_rng(seed)
        self._last = self._rng.normal(size=streams.COUNT)
        self._phase = self._rng.uniform(0, 2 * np.pi, streams.COUNT)
        self._turn = 2 * np.pi / parts_a_day
        self._fresh = np.sqrt(1 - kind.memory**2)
        self._number = 0

    def __call__(self) -> Floats:
        self._number += 1
        self._last *= self._kind.memory
        self._last += self._fresh * self._rng.standard_normal(streams.COUNT)
        values = self._last * SPREADS
        if self._kind.wave:
            wave = np.sin(self._turn * self._number + self._phase)
            values += self._kind.wave * streams.shifts() * wave
        return np.asarray(values, np.float64)


def learn_baseline(draw: Callable[[], Floats], parts: int = LEARN) -> Baseline:
    """Return a baseline that is learned as a station learns it."""
    learner = Learner(parts)
    for number in range(parts):
        learner.take(draw(), number * SECOND_NS)
    return learner.baseline()


def false_alarms(
    kind: PartVariation, *, stations: int, parts: int, months: int, seed: int
) -> list[int]:
    """Return the false alarms of each station, with one allowed a month.

    Each station measures ``parts`` parts a month for ``months`` months.
    """
    alarms = []
    for station in range(stations):
        draw = MeasurementSource(kind, seed + station, parts / 30)
        watch = Watch(learn_baseline(draw), false_alarm_rate=FalseAlarmRate(1.0, parts))
        raised = 0
        for number in range(1, months * parts + 1):
            raised += sum(alarm.raised for alarm in watch.take(draw(), number))
        alarms.append(raised)
    return alarms


@dataclass(frozen=True, slots=True)
class Delay:
    """The detection delays of a change.

    parts: measured parts from the beginning of the change to the first alarm of the measure, for
    each run; None without an alarm. first: the measure that was named first in each run.
    """

    parts: tuple[int | None, ...]
    first: tuple[str, ...]


def measure_delays(case: DriftCase, *, runs: int, most: int, seed: int) -> Delay:
    """Return the measured parts from a change to its alarm, at most ``most``."""
    parts: list[int | None] = []
    first: list[str] = []
    for run in range(runs):
        line = DriftLine(seed + run, aligned=case.aligned)
        baseline, measurer = learn_line(line)
        watch = Watch(baseline, false_alarm_rate=FalseAlarmRate(1.0, 500_000))
        detected: int | None = None
        named = ""
        for number in range(1, most + 1):
            peak = line.peak() + case.creep * number
            values = measurer.measure(line.part(case.change, number), peak)
            measures = [alarm.measure for alarm in watch.take(values, number) if alarm.raised]
            named = named or (measures[0] if measures else "")
            if case.measure in measures:
                detected = number
                break
        parts.append(detected)
        first.append(named)
    return Delay(tuple(parts), tuple(first))


def learn_line(line: DriftLine) -> tuple[Baseline, Measurer]:
    """Return the baseline that a station learns on this line, and its measurer."""
    measurer = Measurer(Template.mean_of(small_picture(line.part()) for _ in range(64)))

    def vectors() -> Iterator[Floats]:
        while True:
            yield measurer.measure(line.part(), line.peak())

    source = vectors()
    return learn_baseline(lambda: next(source), 400), measurer


def print_cost(console: Console) -> None:
    """Print the processor time of one measured part."""
    table = Table(title="one measured part, time of one core", title_justify="left")
    table.add_column("frame")
    table.add_column("ms", justify="right")
    for shape in ((480, 640), (1024, 1280), (1536, 2048, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        measurer, watch = (
            Measurer(),
            Watch(
                learn_baseline(MeasurementSource(KINDS[0], 0, 1e4)),
                false_alarm_rate=FalseAlarmRate(1, 1e6),
            ),
        )
        watch.take(measurer.measure(pixels, 1.0), 1)
        began = time.process_time()
        for number in range(2, 42):
            watch.take(measurer.measure(pixels, 1.0), number)
        ms = (time.process_time() - began) / 40 * 1e3
        table.add_row("×".join(map(str, shape)), f"{ms:.1f}")
    console.print(table)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stations", type=int, default=8)
    parser.add_argument("--months", type=int, default=1)
    parser.add_argument("--parts", type=int, default=20_000, help="measured parts in a month")
    parser.add_argument("--runs", type=int, default=3, help="runs of each change")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    console = Console(highlight=False)
    print_cost(console)
    table = Table(title="false alarms a month, 1 allowed", title_justify="left")
    for heading in ("parts vary", "months", "alarms", "a month"):
        table.add_column(heading, justify="right" if heading != "parts vary" else "left")
    for kind in KINDS:
        alarms = false_alarms(
            kind, stations=given.stations, parts=given.parts, months=given.months, seed=given.seed
        )
        months = given.stations * given.months
        table.add_row(kind.name, str(months), str(sum(alarms)), f"{sum(alarms) / months:.2f}")
    console.print(table)
    table = Table(title="measured parts until an alarm", title_justify="left")
    for heading in ("change", "measure", "parts", "named first"):
        table.add_column(heading)
    for case in CASES:
        delay = measure_delays(case, runs=given.runs, most=2000, seed=given.seed)
        delays_shown = ", ".join("none" if each is None else str(each) for each in delay.parts)
        table.add_row(case.name, case.measure, delays_shown, ", ".join(sorted(set(delay.first))))
    console.print(table)


if __name__ == "__main__":
    main()
