"""The statement of a central system, made from what its receiver has got."""

from __future__ import annotations

from collections.abc import Iterable

from edge.clock import utc_now
from edge.events.committed import MAX_RANGES, CommittedRange, CommittedStatement
from edge.receiver.coverage import SequenceRanges
from edge.receiver.stream import JournalCoverage

STATE_S = 1.0
"""Least time between two statements on one journal, in seconds."""

JournalKey = tuple[str, str]
"""A station, and the UUID of one of its journals."""

_KEPT_TIMES = 4096


class DueStatements:
    """The journals whose statement is due, each at most once per interval. For one thread.

    A key is a station and the UUID of one of its journals.
    """

    def __init__(self, interval_s: float = STATE_S) -> None:
        self._interval_s = interval_s
        self._waiting: dict[JournalKey, None] = {}
        self._published_s: dict[JournalKey, float] = {}

    def add(self, keys: Iterable[JournalKey]) -> None:
        """Record that the journals need a statement."""
        self._waiting.update(dict.fromkeys(keys))

    def due(self, now_s: float) -> list[JournalKey]:
        """Return the journals whose statement may be published now, oldest first."""
        limit_s = now_s - self._interval_s
        return [
            key for key in self._waiting if self._published_s.get(key, -self._interval_s) <= limit_s
        ]

    def published(self, key: JournalKey, now_s: float) -> None:
        """Record that the statement on a journal was published."""
        self._waiting.pop(key, None)
        self._published_s[key] = now_s
        if len(self._published_s) > 2 * len(self._waiting) + _KEPT_TIMES:
            limit_s = now_s - self._interval_s
            self._published_s = {k: at for k, at in self._published_s.items() if at > limit_s}


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
