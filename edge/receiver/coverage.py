"""A set of sequence numbers, kept as stretches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class SequenceRanges:
    """The numbers that have come. Bounded: beyond ``max_stretches`` the oldest hole is forgotten,
    and what would fill it then counts as there."""

    def __init__(self, stretches: Iterable[range] = (), *, max_stretches: int = 1024) -> None:
        """stretches: what ``stretches`` once returned."""
        self._max = max_stretches
        self._starts: list[int] = []
        self._stops: list[int] = []
        for stretch in sorted(stretches, key=lambda each: each.start):
            self.add(stretch)

    def __contains__(self, number: int) -> bool:
        return self.covers(range(number, number + 1))

    def covers(self, stretch: range) -> bool:
        """Return whether all numbers of the stretch have come."""
        at = bisect_right(self._starts, stretch.start) - 1
        return at >= 0 and stretch.stop <= self._stops[at]

    @property
    def first(self) -> int:
        """The lowest number; 0 where nothing has come."""
        return self._starts[0] if self._starts else 0

    @property
    def last(self) -> int:
        """The highest number; 0 where nothing has come."""
        return self._stops[-1] - 1 if self._stops else 0

    @property
    def stretches(self) -> tuple[range, ...]:
        """The stretches that have arrived, ascending."""
        return tuple(map(range, self._starts, self._stops))

    @property
    def holes(self) -> tuple[range, ...]:
        """The stretches that are missing between the first and the last number, ascending."""
        return tuple(map(range, self._stops, self._starts[1:]))

    def add(self, stretch: range) -> None:
        """The numbers of the stretch have come."""
        if not stretch:
            return
        # Everything that it overlaps or touches becomes one.
        low = bisect_right(self._starts, stretch.start)
        if low and self._stops[low - 1] >= stretch.start:
            low -= 1
        high = bisect_right(self._starts, stretch.stop)
        start = min([stretch.start, *self._starts[low:high]])
        stop = max([stretch.stop, *self._stops[low:high]])
        self._starts[low:high], self._stops[low:high] = [start], [stop]
        if len(self._starts) > self._max:
            del self._starts[1], self._stops[0]
