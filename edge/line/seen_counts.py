"""What a photo-eye has seen, by the belt's count."""

from __future__ import annotations

from bisect import bisect_left, insort


class SeenCounts:
    """The counts at which parts met a photo-eye, the highest ``capacity`` of them. One thread.

    A belt that backs up and returns shows its parts a second time, at the same counts.
    """

    def __init__(self, *, nearer_than: int, capacity: int = 4096) -> None:
        """nearer_than: counts; an edge this near to one known is the same part's."""
        self._nearer_than = nearer_than
        self._capacity = capacity
        self._counts: list[int] = []

    def __len__(self) -> int:
        return len(self._counts)

    def is_known(self, count: int) -> bool:
        """Whether a part that was seen before is nearer than the limit to this count."""
        index = bisect_left(self._counts, count)
        near = self._counts[max(0, index - 1) : index + 1]
        return any(abs(known - count) < self._nearer_than for known in near)

    def add(self, count: int) -> None:
        """A part met the eye at this count."""
        insort(self._counts, count)
        if len(self._counts) > self._capacity:
            del self._counts[0]

    def clear(self) -> None:
        """The counts mean nothing any more."""
        self._counts.clear()
