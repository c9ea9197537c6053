"""The events of one journal that a receiver has got: repeats, gaps and conflicts."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from edge.receiver.coverage import SequenceRanges

# A new run begins with each start of the station.
_MAX_RUNS = 1024

# The checksums of contents show whether an event with a known event_id is a repeat or a different
# event. They are kept for the last 4096 events of the last 4 runs of a journal: 128 KiB.
_MAX_CONTENTS = 4096
_MAX_PROVEN_RUNS = 4
_MAX_DIFFERING = 256


class Conflict(str, Enum):
    """A contradiction between two events of a station. Both are handed over.

    COPY: another run has the same sequence number of the same journal. Two stations write this
    journal, or it was restored from a backup. CONTENT: an event with the same event_id has other
    content.
    """

    COPY = "copy"
    CONTENT = "content"


class Repeat(str, Enum):
    """A repeated event. UNPROVEN: the first one is too old for the contents to be compared."""

    SAME = "same"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class RunCoverage:
    """The sequence numbers of one run that have arrived."""

    run: str
    ranges: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class JournalCoverage:
    """The sequence numbers of one journal that have arrived.

    first, last: the lowest and the highest number. gaps: ranges between them that are missing.
    explained: ranges for which gap events stand; some of their numbers may have arrived.
    """

    station: str
    journal: str
    first: int
    last: int
    gaps: tuple[range, ...]
    runs: tuple[RunCoverage, ...]
    explained: tuple[range, ...] = ()

    @property
    def complete_to(self) -> int:
        """The number up to which, from ``first`` on, every event has arrived."""
        return self.gaps[0].start - 1 if self.gaps else self.last


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event that has just arrived.

    content: checksum of its payload. replaced: for a gap event with the sequence number of the last
    event that it stands for, the numbers of all events that it stands for; otherwise None.
    """

    run: str
    sequence: int
    content: int
    replaced: range | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """The result for an event that is handed over. ``ReceivedEvent`` describes the fields."""

    missing: range
    is_late: bool
    conflict: Conflict | None


@dataclass(slots=True)
class _Run:
    """The sequence numbers of a run, and the checksums of its last events."""

    arrived: SequenceRanges = field(default_factory=SequenceRanges)
    contents: array[int] | None = None

    def content(self, sequence: int) -> int | None:
        """Return the checksum of an event; None if it is not known any more."""
        at = sequence % _MAX_CONTENTS
        if self.contents is None or sequence <= self.arrived.last - _MAX_CONTENTS:
            return None
        # 0: the event arrived before the checksums of this run were cleared.
        return (self.contents[at] if at < len(self.contents) else 0) or None

    def add(self, sequence: int, content: int) -> None:
        if self.contents is None:
            self.contents = array("L")
        if sequence > self.arrived.last - _MAX_CONTENTS:
            at = sequence % _MAX_CONTENTS
            self.contents.extend([0] * (at + 1 - len(self.contents)))
            self.contents[at] = content
        self.arrived.add(range(sequence, sequence + 1))


class JournalStream:
    """The sequence numbers of a journal, over all its runs.

    Memory is limited. For one thread at a time.
    """

    def __init__(self, coverage: JournalCoverage | None = None) -> None:
        """coverage: the result of ``coverage`` of an earlier instance."""
        self._arrived = SequenceRanges()
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._explained = SequenceRanges()
        self._forgotten = SequenceRanges()  # numbers of runs that were removed from _runs
        self._differing: OrderedDict[tuple[str, int, int], None] = OrderedDict()
        if coverage is not None:
            self._arrived = SequenceRanges(_between(coverage.first, coverage.last, coverage.gaps))
            self._explained = SequenceRanges(coverage.explained)
            for each in coverage.runs:
                self._run(each.run).arrived = SequenceRanges(each.ranges)

    def coverage(self, station: str, journal: str) -> JournalCoverage:
        """Return the numbers that have arrived. The checksums of contents are not included."""
        runs = (RunCoverage(name, run.arrived.ranges) for name, run in self._runs.items())
        all_ = self._arrived
        return JournalCoverage(
            station,
            journal,
            all_.first,
            all_.last,
            all_.gaps,
            tuple(runs),
            self._explained.ranges,
        )

    def add(self, arrival: Arrival) -> NewEvent | Repeat:
        """Add an event. Return whether it is new, with its conflict, or a repeat."""
        sequence = arrival.sequence
        if arrival.run not in self._runs and sequence in self._forgotten:
            return Repeat.UNPROVEN
        run = self._run(arrival.run)
        is_known = sequence in run.arrived
        explains = arrival.replaced is not None and self._explain(arrival.replaced)
        conflict = None
        if is_known and not explains:
            known = run.content(sequence)
            if known is None:
                return Repeat.UNPROVEN
            # A gap event may have the number of an event that has arrived. This is no conflict.
            if known == arrival.content or arrival.replaced or self._is_known_variant(arrival):
                return Repeat.SAME
            conflict = Conflict.CONTENT
        elif sequence in self._arrived and arrival.replaced is None:
            conflict = Conflict.COPY
        elif arrival.replaced and not explains and self._arrived.covers(arrival.replaced):
            return Repeat.SAME
        if not is_known:
            run.add(sequence, arrival.content)
        last = self._arrived.last or sequence - 1  # numbers before the first event are not missing
        missing = range(last + 1, sequence) if sequence > last else range(sequence, sequence)
        is_late = sequence <= last and sequence not in self._arrived
        self._arrived.add(range(sequence, sequence + 1))
        return NewEvent(missing, is_late, conflict)

    def _explain(self, numbers: range) -> bool:
        """Record the numbers of a gap event. Return True if that explains any missing number."""
        before = SequenceRanges([*self._arrived.ranges, *self._explained.ranges])
        self._explained.add(numbers)
        return not before.covers(numbers)

    def _run(self, name: str) -> _Run:
        """Return the run. With too many runs, the one without events for longest is forgotten."""
        run = self._runs.setdefault(name, _Run())
        self._runs.move_to_end(name)
        if len(self._runs) > _MAX_RUNS:
            _, old = self._runs.popitem(last=False)
            for numbers in old.arrived.ranges:
                self._forgotten.add(numbers)
        if run.contents is None:
            for stale in list(self._runs.values())[:-_MAX_PROVEN_RUNS]:
                stale.contents = None
        return run

    def _is_known_variant(self, arrival: Arrival) -> bool:
        """Return True if the event arrived before with this content, which differs from the first;
        otherwise remember the content."""
        variant = (arrival.run, arrival.sequence, arrival.content)
        if variant in self._differing:
            return True
        self._differing[variant] = None
        if len(self._differing) > _MAX_DIFFERING:
            self._differing.popitem(last=False)
        return False


def _between(first: int, last: int, gaps: Iterable[range]) -> Iterable[range]:
    """Yield the ranges from ``first`` to ``last`` that are outside the gaps."""
    for gap in gaps:
        yield range(first, gap.start)
        first = gap.stop
    yield range(first, last + 1)
