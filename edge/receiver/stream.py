"""One journal of one station, as its receiver knows it."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from edge.receiver.coverage import SequenceRanges

# A new run begins with each start of the station.
_MAX_RUNS = 1024

# Contents that are remembered, as checksums, to tell a repeat from another event of its name: of
# the last events of the last runs of a journal. 128 KiB.
_MAX_CONTENTS = 4096
_MAX_PROVEN_RUNS = 4
_MAX_DIFFERING = 256


class Conflict(str, Enum):
    """A reason to look at a station: its events were all handed over, and some contradict others.

    COPY: another run has the same sequence of the same journal: two stations write it, or it was
    restored from a backup. CONTENT: an event with the same event_id has another content.
    """

    COPY = "copy"
    CONTENT = "content"


class Repeat(str, Enum):
    """An event that came before. UNPROVEN: too long ago for its content to be compared."""

    SAME = "same"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class RunCoverage:
    """The sequences of one run that have come."""

    run: str
    stretches: tuple[range, ...]


@dataclass(frozen=True, slots=True)
class JournalCoverage:
    """Everything known of one journal. first: the lowest sequence that this receiver was given."""

    station: str
    journal: str
    first: int
    last: int
    holes: tuple[range, ...]
    runs: tuple[RunCoverage, ...]

    @property
    def complete_to(self) -> int:
        """Everything from ``first`` up to here has come."""
        return self.holes[0].start - 1 if self.holes else self.last


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event to be looked up. content: a checksum of its payload. replaced: for a gap event that
    has the sequence of the last event that it stands for, all that it stands for."""

    run: str
    sequence: int
    content: int
    replaced: range | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to be handed over; ``Received`` says what the fields are."""

    hole: range
    is_late: bool
    conflict: Conflict | None


@dataclass(slots=True)
class _Run:
    """The sequences of a run, and checksums of what came with the last of them."""

    seen: SequenceRanges = field(default_factory=SequenceRanges)
    contents: array[int] | None = None

    def content(self, sequence: int) -> int | None:
        """The checksum; None where it is not known any more."""
        at = sequence % _MAX_CONTENTS
        if self.contents is None or sequence <= self.seen.last - _MAX_CONTENTS:
            return None
        # 0: of an event that came before the checksums of this run were forgotten and begun anew.
        return (self.contents[at] if at < len(self.contents) else 0) or None

    def add(self, sequence: int, content: int) -> None:
        if self.contents is None:
            self.contents = array("L")
        if sequence > self.seen.last - _MAX_CONTENTS:
            at = sequence % _MAX_CONTENTS
            self.contents.extend([0] * (at + 1 - len(self.contents)))
            self.contents[at] = content
        self.seen.add(range(sequence, sequence + 1))


class JournalStream:
    """The sequences of a journal over all its runs. Bounded. For one thread at a time."""

    def __init__(self, account: JournalCoverage | None = None) -> None:
        """account: what ``account`` once returned."""
        self._seen = SequenceRanges()
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._forgotten = SequenceRanges()  # of runs that are not remembered any more
        self._differing: OrderedDict[tuple[str, int, int], None] = OrderedDict()
        if account is not None:
            self._seen = SequenceRanges(_between(account.first, account.last, account.holes))
            for each in account.runs:
                self._run(each.run).seen = SequenceRanges(each.stretches)

    def account(self, station: str, journal: str) -> JournalCoverage:
        """All of it but the contents."""
        runs = (RunCoverage(name, run.seen.stretches) for name, run in self._runs.items())
        seen = self._seen
        return JournalCoverage(station, journal, seen.first, seen.last, seen.holes, tuple(runs))

    def take(self, arrival: Arrival) -> NewEvent | Repeat:
        """Judge an event and remember it."""
        sequence = arrival.sequence
        if arrival.run not in self._runs and sequence in self._forgotten:
            return Repeat.UNPROVEN
        run = self._run(arrival.run)
        conflict = None
        if sequence in run.seen:
            known = run.content(sequence)
            # A gap may take the sequence of an event that has come: no contradiction.
            if known is None:
                return Repeat.UNPROVEN
            if known == arrival.content or arrival.replaced or self._is_known(arrival):
                return Repeat.SAME
            conflict = Conflict.CONTENT
        elif sequence in self._seen and arrival.replaced is None:
            conflict = Conflict.COPY
        elif arrival.replaced and self._seen.covers(arrival.replaced):
            return Repeat.SAME
        if conflict is not Conflict.CONTENT:
            run.add(sequence, arrival.content)
        last = self._seen.last or sequence - 1  # what was before, a new receiver cannot miss
        hole = range(last + 1, sequence) if sequence > last else range(sequence, sequence)
        is_late = sequence <= last and sequence not in self._seen
        self._seen.add(range(sequence, sequence + 1))
        return NewEvent(hole, is_late, conflict)

    def _run(self, name: str) -> _Run:
        """The run; the one that was quiet for longest is forgotten when there are too many."""
        found = self._runs.setdefault(name, _Run())
        self._runs.move_to_end(name)
        if len(self._runs) > _MAX_RUNS:
            _, old = self._runs.popitem(last=False)
            for stretch in old.seen.stretches:
                self._forgotten.add(stretch)
        if found.contents is None:
            for stale in list(self._runs.values())[:-_MAX_PROVEN_RUNS]:
                stale.contents = None
        return found

    def _is_known(self, arrival: Arrival) -> bool:
        """Return whether this other content of an event came before."""
        name = (arrival.run, arrival.sequence, arrival.content)
        if name in self._differing:
            return True
        self._differing[name] = None
        if len(self._differing) > _MAX_DIFFERING:
            self._differing.popitem(last=False)
        return False


def _between(first: int, last: int, holes: Iterable[range]) -> Iterable[range]:
    """The stretches between the holes."""
    for hole in holes:
        yield range(first, hole.start)
        first = hole.stop
    yield range(first, last + 1)
