"""A set of sequence numbers, stored as ranges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class SequenceRanges:
    """The sequence numbers that have arrived.

    Memory is limited: with more than ``max_ranges`` ranges the oldest gap is forgotten. Its numbers
    then count as arrived. For one thread at a time.
    """

    def __init__(self, ranges: Iterable[range] = (), *, max_ranges: int = 1024) -> None:
        """ranges: the property ``ranges`` of an earlier instance."""
        self._max = max_ranges
        self._starts: list[int] = []
        self._stops: list[int] = []
        for numbers in sorted(ranges, key=lambda each: each.start):
            self.add(numbers)

    def __contains__(self, number: int) -> bool:
        return self.covers(range(number, number + 1))

    def covers(self, numbers: range) -> bool:
        """Return True if all numbers of the range have arrived."""
        at = bisect_right(self._starts, numbers.start) - 1
        return at >= 0 and numbers.stop <= self._stops[at]

    @property
    def first(self) -> int:
        """The lowest number; 0 if nothing has arrived."""
        return self._starts[0] if self._starts else 0

    @property
    def last(self) -> int:
        """The highest number; 0 if nothing has arrived."""
        return self._stops[-1] - 1 if self._stops else 0

    @property
    def ranges(self) -> tuple[range, ...]:
        """The ranges that have arrived, ascending."""
        return tuple(map(range, self._starts, self._stops))

    @property
    def gaps(self) -> tuple[range, ...]:
        """The ranges that are missing between the first and the last number, ascending."""
        return tuple(map(range, self._stops, self._starts[1:]))

    def add(self, numbers: range) -> None:
        """Add the numbers of a range."""
        if not numbers:
            return
        # All ranges that overlap or touch the new one are joined with it.
        low = bisect_right(self._starts, numbers.start)
        if low and self._stops[low - 1] >= numbers.start:
            low -= 1
        high = bisect_right(self._starts, numbers.stop)
        start = min([numbers.start, *self._starts[low:high]])
        stop = max([numbers.stop, *self._stops[low:high]])
        self._starts[low:high], self._stops[low:high] = [start], [stop]
        if len(self._starts) > self._max:
            del self._starts[1], self._stops[0]
