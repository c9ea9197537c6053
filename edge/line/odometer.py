"""The positions of a belt with an encoder, and the counts at which parts met a photo-eye."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass

from edge.devices.encoder import EncoderPosition

# 0.8 s at 10,000 counts a second. An edge of the photo-eye is reported within 0.01 s (one switch of
# Python's threads takes 5 ms). An older edge has no known position.
_POSITIONS = 8_192


@dataclass(frozen=True, slots=True)
class BeltPosition:
    """The position of the belt at a moment."""

    count: int
    forward: bool
    """The belt did not run backward."""
    change: int
    """The number of the encoder's position, from 1."""


class Odometer:
    """The count now, and at any moment of the last 8,192 positions.

    For one thread; the memory is bounded. The belt runs backward once its count has fallen by
    ``backlash`` below its highest value. The vibration of a belt that stands is therefore no
    reversal. The belt runs forward again from the first count up.
    """

    def __init__(self, *, backlash: int = 2) -> None:
        self.count = 0
        self.changes = 0
        """The number of positions so far."""
        self._backlash = backlash
        self._forward = True
        self._peak = 0  # the highest count since the belt last ran forward
        self._positions: deque[tuple[int, int, bool]] = deque(maxlen=_POSITIONS)

    def moved(self, position: EncoderPosition) -> None:
        """Add the next position. A position behind a gap removes all earlier ones."""
        count = position.count
        if position.gap or not self._positions:
            self._positions.clear()
            self._forward, self._peak = True, count
        elif count > self.count:
            if not self._forward:
                self._forward, self._peak = True, count
            elif count > self._peak:
                self._peak = count
        elif self._peak - count >= self._backlash:
            self._forward = False
        self.count = count
        self.changes += 1
        self._positions.append((position.at_ns, count, self._forward))

    @property
    def oldest_count(self) -> int:
        """Return the count of the oldest stored position; 0 before the first."""
        return self._positions[0][1] if self._positions else 0

    def at(self, at_ns: int) -> BeltPosition | None:
        """Return the position at a moment; None: no stored position is as old."""
        for back, (stamp_ns, count, forward) in enumerate(reversed(self._positions)):
            if stamp_ns <= at_ns:
                return BeltPosition(count, forward, self.changes - back)
        return None

    def reached_ns(self, count: int, since_ns: int) -> int | None:
        """Return when the belt was first at or beyond a count after since_ns; None: not yet."""
        reached_ns = None
        for stamp_ns, stored, _ in reversed(self._positions):
            if stamp_ns <= since_ns:
                break
            if stored >= count:
                reached_ns = stamp_ns
        return reached_ns


class SeenCounts:
    """The counts at which parts met a photo-eye, the highest ``capacity`` of them. One thread.

    A belt that runs backward and returns shows its parts a second time, at the same counts.
    """

    def __init__(self, *, nearer_than: int, capacity: int = 4096) -> None:
        """nearer_than: in counts; an edge nearer than this to a known count is the same part's."""
        self._nearer_than = nearer_than
        self._capacity = capacity
        self._counts: list[int] = []

    def __len__(self) -> int:
        return len(self._counts)

    def is_known(self, count: int) -> bool:
        """Return whether a known part is nearer than the limit to this count."""
        index = bisect_left(self._counts, count)
        near = self._counts[max(0, index - 1) : index + 1]
        return any(abs(known - count) < self._nearer_than for known in near)

    def add(self, count: int) -> None:
        """Add the count at which a part met the photo-eye."""
        insort(self._counts, count)
        if len(self._counts) > self._capacity:
            del self._counts[0]

    def clear(self) -> None:
        """Remove all counts, as they have no meaning any more."""
        self._counts.clear()
