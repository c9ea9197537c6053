"""The statement of a central system, made from what its receiver has got."""

from __future__ import annotations

from collections import OrderedDict

from edge.clock import utc_now
from edge.events.committed import MAX_RANGES, CommittedRange, CommittedStatement
from edge.receiver.coverage import SequenceRanges
from edge.receiver.stream import JournalCoverage

STATE_S = 1.0
"""Least time between two statements on one journal, in seconds."""

_MAX_JOURNALS = 65_536


class StatementSchedule:
    """Remembers the journals on which a statement is due. For one thread at a time."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], None] = {}
        self._stated_s: OrderedDict[tuple[str, str], float] = OrderedDict()

    def mark(self, station: str, journal: str) -> None:
        """Record that an event, or a repeat of one, arrived, or that the station connected."""
        self._due[station, journal] = None

    def take_due(self, now_s: float) -> list[tuple[str, str]]:
        """Return stations and journals to state now, each STATE_S after its last statement."""
        due = [
            each
            for each in self._due
            if now_s - self._stated_s.get(each, now_s - STATE_S) >= STATE_S
        ]
        for each in due:
            del self._due[each]
            self._stated_s[each] = now_s
            self._stated_s.move_to_end(each)
        while len(self._stated_s) > _MAX_JOURNALS:
            self._stated_s.popitem(last=False)
        return due


def committed_statement(coverage: JournalCoverage, *, central: str = "") -> CommittedStatement:
    """Return what a central system may state once its database has committed these events.

    With more than MAX_RANGES ranges the lowest ones are stated, and ``known_to`` ends with them.

    Args:
        coverage: The sequence numbers of one journal that the database has.
        central: Name of the central system, for people.
    """
    complete = _complete_to(coverage)
    ranges = [(each.start, each.stop - 1, "") for each in coverage.explained]
    ranges += [(each.start, each.stop - 1, run.run) for run in coverage.runs for each in run.ranges]
    above = sorted((max(first, complete + 1), last, run) for first, last, run in ranges)
    above = [each for each in above if each[0] <= each[1]]
    known_to = max([complete, *(last for _, last, _ in above)])
    if len(above) > MAX_RANGES:
        known_to = max(complete, above[MAX_RANGES][0] - 1)
    return CommittedStatement(
        station=coverage.station,
        journal=coverage.journal,
        complete_to=complete,
        known_to=known_to,
        ranges=tuple(
            CommittedRange(first=first, last=min(last, known_to), run=run)
            for first, last, run in above
            if first <= known_to
        )[:MAX_RANGES],
        utc=utc_now(),
        central=central,
    )


def _complete_to(coverage: JournalCoverage) -> int:
    """Return the number up to which every event is there, and no two runs share one."""
    arrived = [each for run in coverage.runs for each in run.ranges]
    accounted = SequenceRanges([*arrived, *coverage.explained])
    complete = accounted.ranges[0].stop - 1 if accounted.first == 1 else 0
    highest = 0
    for each in sorted(arrived, key=lambda numbers: numbers.start):
        if each.start <= highest:
            return min(complete, each.start - 1)
        highest = max(highest, each.stop - 1)
    return complete
