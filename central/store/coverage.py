"""The sequence numbers of one journal that the database has, and the statement about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from edge.events.committed import MAX_RANGES, CommittedRange
from edge.receiver.coverage import SequenceRanges

GAP = "gap"
MERGED = "merged"
MAX_RUNS = 128
"""More runs are merged where they are complete and share no number with another run."""

MAX_SEGMENTS = 4096
"""Most separate ranges of one run, and most runs that cannot be merged. An event that would begin
another one is not stored. The statement then lists its number as missing, and the station sends it
again later."""

_NO_LIMIT = 1 << 62


class KnownAs(Enum):
    """The relation of an event to those that the database has.

    NEW: no run has its number. LATE: only a gap event accounts for it. COPY: another run has it.
    REPEAT: its own run has it. MERGED: an earlier run has it, perhaps its own; the stored rows
    decide. SCATTERED: it would exceed ``MAX_SEGMENTS``.
    """

    NEW = "new"
    LATE = "late"
    COPY = "copy"
    REPEAT = "repeat"
    MERGED = "merged"
    SCATTERED = "scattered"


@dataclass(frozen=True, slots=True)
class CoverageStatement:
    """The numbers for a ``CommittedStatement``. The fields are described there."""

    complete_to: int
    known_to: int
    ranges: tuple[CommittedRange, ...]


class Coverage:
    """The committed numbers of one journal, by run. For one thread at a time.

    Numbers that gap events account for are kept apart, under ``GAP``: they hold for every run.
    """

    def __init__(
        self, runs: Mapping[str, Iterable[range]] | None = None, shared_from: int | None = None
    ) -> None:
        """runs: the ranges of each run. shared_from: the first number that two runs share."""
        self._runs = {run: _ranges(ranges) for run, ranges in (runs or {}).items()}
        self._all = _ranges(each for one in self._runs.values() for each in one.ranges)
        self._shared_from = shared_from
        self._changed: set[str] = set()

    @property
    def shared_from(self) -> int | None:
        """The first number that two runs share; None: the journal was not copied."""
        return self._shared_from

    @property
    def has_changes(self) -> bool:
        """Return whether ``changes`` has something to yield."""
        return bool(self._changed)

    @property
    def known_to(self) -> int:
        """The highest number of any run; 0 if nothing has arrived."""
        return self._all.last

    @property
    def complete_to(self) -> int:
        """The number up to which everything is committed, below the first shared number."""
        first = self._all.ranges[:1]
        if not first or first[0].start > 1:
            return 0
        last = first[0].stop - 1
        return last if self._shared_from is None else min(last, self._shared_from - 1)

    def relation(self, run: str, sequence: int) -> KnownAs:
        """Return the relation of an event to those that are committed."""
        own = self._runs.get(run)
        if own is not None and sequence in own:
            return KnownAs.REPEAT
        if own is None and len(self._runs) >= MAX_SEGMENTS:
            return KnownAs.SCATTERED
        if own is not None and _begins_segment(own, sequence) and len(own.ranges) >= MAX_SEGMENTS:
            return KnownAs.SCATTERED
        if sequence not in self._all:
            return KnownAs.NEW
        if MERGED in self._runs and sequence in self._runs[MERGED]:
            return KnownAs.MERGED
        return KnownAs.LATE if self.other_run(run, sequence) is None else KnownAs.COPY

    def other_run(self, run: str, sequence: int) -> str | None:
        """Return another run that has the number; None if there is none."""
        if sequence not in self._all:
            return None
        for name, ranges in self._runs.items():
            if name not in (run, GAP, MERGED) and sequence in ranges:
                return name
        return None

    def covers(self, numbers: range) -> bool:
        """Return whether every number of the range is accounted for, by whatever run."""
        return self._all.covers(numbers)

    def add(self, run: str, sequence: int) -> None:
        """Add the number of an event. A number that another run has too is shared from now on."""
        if self.other_run(run, sequence) is not None:
            self.share(sequence)
        self._add(run, range(sequence, sequence + 1))

    def share(self, sequence: int) -> None:
        """Note that two runs have this number."""
        self._shared_from = min(self._shared_from or sequence, sequence)

    def add_gap(self, numbers: range) -> bool:
        """Add the numbers that a gap event accounts for. Return False if they are too scattered."""
        own = self._runs.get(GAP)
        if own is not None and len(own.ranges) >= MAX_SEGMENTS and not own.covers(numbers):
            return False
        self._add(GAP, numbers)
        return True

    def merge(self) -> None:
        """Merge the oldest runs where there are more than ``MAX_RUNS``."""
        limit = self.complete_to
        names = [name for name in self._runs if name not in (GAP, MERGED)]
        names.sort(key=lambda name: self._runs[name].last)
        for name in names[: max(0, len(names) - MAX_RUNS)]:
            if self._runs[name].last > limit:
                return
            for numbers in self._runs.pop(name).ranges:
                self._add(MERGED, numbers)
            self._changed.add(name)

    def changes(self) -> Iterator[tuple[str, str | None]]:
        """Yield each run that changed since the last call, with its ranges as JSON text; None for a
        run that is merged."""
        for name in sorted(self._changed):
            ranges = self._runs.get(name)
            yield name, None if ranges is None else dump_ranges(ranges.ranges)
        self._changed.clear()

    def statement(self) -> CoverageStatement:
        """Return the statement, with at most ``MAX_RANGES`` ranges.

        Where there are more, neighbouring ranges of different runs are joined if no number is
        shared. ``known_to`` is lowered to the last range that is listed.
        """
        complete_to = self.complete_to
        ranges = self._named(complete_to + 1)
        if len(ranges) > MAX_RANGES:
            ranges = self._joined(complete_to + 1)
        known_to = self.known_to
        if len(ranges) > MAX_RANGES:
            known_to = ranges[MAX_RANGES].first - 1
            ranges = [each for each in ranges[:MAX_RANGES] if each.first <= known_to]
            ranges = [each.model_copy(update={"last": min(each.last, known_to)}) for each in ranges]
        return CoverageStatement(complete_to, max(known_to, complete_to), tuple(ranges))

    def _add(self, run: str, numbers: range) -> None:
        self._runs.setdefault(run, _ranges()).add(numbers)
        self._all.add(numbers)
        self._changed.add(run)

    def _named(self, first: int) -> list[CommittedRange]:
        """Return the ranges of each run from ``first`` on, ascending."""
        found = [
            CommittedRange(
                first=max(numbers.start, first),
                last=numbers.stop - 1,
                run="" if run in (GAP, MERGED) else run,
            )
            for run, ranges in self._runs.items()
            for numbers in ranges.ranges
            if numbers.stop > first
        ]
        return sorted(found, key=lambda each: (each.first, each.last, each.run))

    def _joined(self, first: int) -> list[CommittedRange]:
        """Return the ranges from ``first`` on, where only shared numbers are listed by run."""
        named = self._named(first)
        joined: list[CommittedRange] = []
        group: list[CommittedRange] = []
        last = first - 1
        for each in [*named, None]:
            if each is not None and group and each.first <= last:
                group.append(each)
                last = max(last, each.last)
                continue
            if len({one.run for one in group} - {""}) > 1:
                joined.extend(group)
            elif group:
                joined.append(CommittedRange(first=group[0].first, last=last))
            if each is not None:
                group, last = [each], each.last
        return _contiguous(joined)


def load_ranges(text: str) -> tuple[range, ...]:
    """Return the ranges of a row of ``runs``."""
    return tuple(range(first, last + 1) for first, last in json.loads(text))


def dump_ranges(ranges: Iterable[range]) -> str:
    """Return the text of a row of ``runs``."""
    return json.dumps([[each.start, each.stop - 1] for each in ranges], separators=(",", ":"))


def _ranges(ranges: Iterable[range] = ()) -> SequenceRanges:
    # Unlike a receiver, a database never forgets a gap: it would count as committed.
    return SequenceRanges(ranges, max_ranges=_NO_LIMIT)


def _begins_segment(ranges: SequenceRanges, sequence: int) -> bool:
    return sequence - 1 not in ranges and sequence + 1 not in ranges


def _contiguous(ranges: Iterable[CommittedRange]) -> list[CommittedRange]:
    """Join ranges that hold for every run and follow one another."""
    joined: list[CommittedRange] = []
    for each in ranges:
        before = joined[-1] if joined else None
        if before and before.run == each.run == "" and before.last + 1 == each.first:
            joined[-1] = before.model_copy(update={"last": each.last})
        else:
            joined.append(each)
    return joined
