"""Compare verdict times during an update with those before: ``python -m bench.update_timing``.

The journal of a station has the steps of each bundle update and the time of the chain for each
part. One run of one station on one core therefore has all phases side by side::

    python -m bench.update_timing /var/lib/outfeed/journal.sqlite --most 1.05

A phase begins with the event of its step. ``before`` has the parts of the same run that no update
accompanied. Parts on probation are decided by another bundle, and are not compared.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from edge.errors import OutfeedError, UsageError
from edge.events.event import Event, OtherEvent, PartEvent
from edge.events.identity import JournalPosition, parse_payload
from edge.events.start import StartEvent
from edge.events.update import UpdateEvent
from edge.journal.reader import JournalReader

BEFORE = "before"
COMPARED = ("downloading", "checking", "shadow")
LEAST_PARTS = 1000
"""Fewer parts of a phase have no p99 that can be compared."""

_ROWS = 1000


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """The time of the chain in one phase. ratio: p99 divided by that before the update."""

    phase: str
    parts: int
    p50_us: float
    p99_us: float
    ratio: float


def chain_times(events: Iterable[Event | OtherEvent]) -> dict[str, list[float]]:
    """Return the chain time of each part in microseconds, by phase."""
    found: dict[str, list[float]] = defaultdict(list)
    phase = BEFORE
    for event in events:
        if isinstance(event, StartEvent):
            phase = BEFORE
        elif isinstance(event, UpdateEvent) and event.state != "wanted":
            phase = event.state
        elif isinstance(event, PartEvent) and event.timings_us is not None:
            steps = event.timings_us
            total = steps.detect + steps.filter + steps.components + steps.classify + steps.decide
            found[phase].append(total)
    return found


def compare(times: dict[str, list[float]], least_parts: int = LEAST_PARTS) -> list[PhaseTimes]:
    """Return the phases that have enough parts, ``before`` first.

    Raises UsageError where the time before an update has too few parts.
    """
    count = len(times.get(BEFORE, ()))
    if count < least_parts:
        raise UsageError(
            f"{count} parts before an update: expected at least {least_parts} in the journal"
        )
    rows = []
    base = 0.0
    for phase in (BEFORE, *COMPARED):
        values = times.get(phase, [])
        if len(values) < least_parts:
            continue
        p50, p99 = np.percentile(values, [50, 99], method="higher")
        base = base or float(p99)
        rows.append(PhaseTimes(phase, len(values), float(p50), float(p99), float(p99) / base))
    return rows


def read_events(path: Path) -> Iterable[Event | OtherEvent]:
    """Yield the events of a journal in their order. Raises OutfeedError."""
    if not path.is_file():
        raise UsageError(f"{path}: expected the journal of a station")
    with JournalReader(path) as reader:
        after = JournalPosition(reader.journal(), 0)
        while rows := reader.read(after, _ROWS):
            for row in rows:
                yield parse_payload(row.payload)[1]
            after = rows[-1].position


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table. Return 1 where a phase exceeds ``--most``, or none can be compared."""
    parser = argparse.ArgumentParser(prog="python -m bench.update_timing", description=__doc__)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--least-parts", type=int, default=LEAST_PARTS)
    parser.add_argument("--most", type=float, default=1.05, help="limit of the ratio")
    given = parser.parse_args(arguments)
    try:
        rows = compare(chain_times(read_events(given.journal)), given.least_parts)
    except OutfeedError as error:
        print(f"update_timing: {error}", file=sys.stderr)
        return error.exit_status
    table = Table(title="time of the chain for each part")
    for heading in ("phase", "parts", "p50, ms", "p99, ms", "p99 / before"):
        table.add_column(heading, justify="left" if heading == "phase" else "right")
    for row in rows:
        figures = (f"{row.p50_us / 1e3:.3f}", f"{row.p99_us / 1e3:.3f}", f"{row.ratio:.3f}")
        table.add_row(row.phase, str(row.parts), *figures)
    Console().print(table)
    if len(rows) == 1:
        print("update_timing: no phase of an update has enough parts", file=sys.stderr)
        return 1
    return int(any(row.ratio > given.most for row in rows))


if __name__ == "__main__":
    sys.exit(main())
