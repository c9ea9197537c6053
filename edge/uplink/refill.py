"""Events that the broker confirmed and that the central system does not have.

A central system states which events its database has committed (``edge/events/committed.py``).
``Refill`` compares the statements with the events that the broker confirmed, and decides which
events are sent again, and when. It reads no clock and no journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.events.committed import CommittedRange, CommittedStatement

# A number must be missing in two statements at this distance before it is sent again. Several
# collectors at one central system share the events, and one may be later than another.
GRACE_S = 10.0

# Pause between two probes while the central system states nothing: it doubles from the first value
# to the second. A probe is one event.
PROBE_S = 30.0
MAX_PROBE_S = 600.0

# Least pause between two probes, and between two statements that each cause one.
LIVE_PROBE_S = 5.0

Segments = Callable[[int, int], Sequence[CommittedRange]]
"""Return the runs of the journal's numbers from ``first`` to ``last``, ascending."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The numbers that a statement did not have, and the time at which it arrived."""

    taken_s: float
    missing: tuple[CommittedRange, ...]


class Refill:
    """Decides which events of one journal are sent again.

    The topic of events keeps their order. A number below another one that the central system has
    is therefore lost, once GRACE_S have passed. Above the highest number that it has, events may
    still be in a queue of the broker. So only the newest event is sent again, as a probe. When the
    probe arrives, everything that is still missing lies below it.

    Times are seconds of a monotonic clock. For one thread at a time.
    """

    def __init__(self, journal: str) -> None:
        """journal: UUID of the journal. Until its first statement, nothing is sent again."""
        self.journal = journal
        self._statement: CommittedStatement | None = None
        self._live_s = -1.0
        self._published = 0
        self._moved_s = 0.0
        self._history: deque[tuple[float, int]] = deque()
        self._is_incomplete = False
        self._snapshot: _Snapshot | None = None
        self._interval_s = GRACE_S
        self._due: tuple[CommittedRange, ...] = ()
        self._queue: deque[CommittedRange] = deque()
        self._emptied_s = -1.0
        self._probed_s: float | None = None
        self._pause_s = PROBE_S

    @property
    def committed(self) -> int | None:
        """The number up to which the central system has every event that the broker confirmed.

        None: it has stated nothing about this journal.
        """
        if self._statement is None:
            return None
        return min(self._statement.complete_to, self._published)

    @property
    def waiting(self) -> int:
        """The count of numbers behind ``committed`` that the broker confirmed."""
        committed = self.committed
        return 0 if committed is None else self._published - committed

    def confirm(self, published: int, now_s: float) -> None:
        """Record the number up to which the broker has confirmed all events."""
        if published == self._published:
            return
        self._published, self._moved_s = published, now_s
        if not self._history or now_s - self._history[-1][0] >= 1.0:
            self._history.append((now_s, published))
        while len(self._history) > 1 and now_s - self._history[1][0] >= GRACE_S:
            self._history.popleft()

    def state(
        self, statement: CommittedStatement, now_s: float, segments: Segments, *, is_live: bool
    ) -> None:
        """Use a new statement, also one that is lower than the last: a restored database.

        is_live: False for the retained statement that a broker sends at a subscription.
        """
        if statement.journal != self.journal:
            return
        self._statement = statement
        if is_live:
            self._live_s = now_s
            self._pause_s = PROBE_S
        missing = self._missing(segments)
        self._is_incomplete = bool(missing)
        self._queue = deque(part for each in self._queue for part in _common((each,), missing))
        if self._snapshot is None:
            self._snapshot = _Snapshot(now_s, missing)
        elif not self._queue and now_s - self._snapshot.taken_s >= self._interval_s:
            self._fill(missing, now_s, is_live=is_live)

    def next_range(self) -> CommittedRange | None:
        """Return the next numbers to send again; None: there are none now."""
        return self._queue[0] if self._queue else None

    def sent(self, last: int, now_s: float) -> None:
        """Record that the numbers of the next range up to ``last`` were sent again."""
        first = self._queue.popleft()
        if last < first.last:
            self._queue.appendleft(first.model_copy(update={"first": last + 1}))
        elif not self._queue:
            self._emptied_s = now_s

    def wants_probe(self, now_s: float) -> bool:
        """Return True if the newest confirmed event is to be sent again now.

        Call ``probed`` afterwards.
        """
        if self._statement is None or self._queue or not self._published:
            return False
        is_behind = self._statement.known_to < self._confirmed_before(now_s - GRACE_S)
        if not (is_behind or self._is_incomplete):
            return False
        if self._probed_s is None:
            return True
        if self._live_s > self._probed_s:
            return now_s - self._probed_s >= LIVE_PROBE_S
        return now_s - self._probed_s >= self._pause_s

    def probed(self, now_s: float) -> None:
        """Record that the probe was sent."""
        if self._probed_s is not None and self._live_s <= self._probed_s:
            self._pause_s = min(2 * self._pause_s, MAX_PROBE_S)
        self._probed_s = now_s

    def _missing(self, segments: Segments) -> tuple[CommittedRange, ...]:
        assert self._statement is not None
        first = self._statement.complete_to + 1
        last = min(self._statement.known_to, self._published)
        if first > last:
            return ()
        return self._statement.missing(segments(first, last))

    def _fill(self, missing: tuple[CommittedRange, ...], now_s: float, *, is_live: bool) -> None:
        """Queue the numbers that were missing in the snapshot too, and take a new snapshot.

        After numbers were sent again, only a later live statement counts.
        """
        assert self._snapshot is not None
        if self._emptied_s >= 0 and not (is_live and now_s > self._emptied_s):
            return
        due = _common(self._snapshot.missing, missing)
        is_in_vain = bool(due) and due == self._due
        self._interval_s = min(2 * self._interval_s, MAX_PROBE_S) if is_in_vain else GRACE_S
        self._due, self._snapshot = due, _Snapshot(now_s, missing)
        self._queue.extend(due)

    def _confirmed_before(self, time_s: float) -> int:
        """Return the last confirmed number of that time; 0 if it is not known."""
        if self._published and self._moved_s <= time_s:
            return self._published
        number = 0
        for at_s, published in self._history:
            if at_s > time_s:
                break
            number = published
        return number


def _common(
    some: Sequence[CommittedRange], others: Sequence[CommittedRange]
) -> tuple[CommittedRange, ...]:
    """Return the numbers that lie in ranges of both, ascending. The runs are those of ``some``."""
    return tuple(
        each.model_copy(
            update={"first": max(each.first, other.first), "last": min(each.last, other.last)}
        )
        for each in some
        for other in others
        if max(each.first, other.first) <= min(each.last, other.last)
    )
