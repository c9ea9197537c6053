"""Where the belt is and was, from the positions of an encoder."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge.devices.encoder import EncoderPosition

# 0.8 s at 10,000 counts a second: an edge of the photo-eye is told within 0.01 s (one switch of
# Python's threads is 5 ms), and what is older counts as unknown.
_KEPT = 8_192


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the belt was. forward: it did not back up; change: number of the encoder's position."""

    count: int
    forward: bool
    change: int


class Odometer:
    """The count now, and at any moment of the last 8,192 positions. One thread; memory is bounded.

    A belt backs up once its count has fallen by ``backlash`` from where it had come, so the
    trembling of one that stands is no reversal; it runs forward from the first count up.
    """

    def __init__(self, *, backlash: int = 2) -> None:
        self.count = 0
        self.changes = 0  # positions in all
        self._backlash = backlash
        self._forward = True
        self._peak = 0  # since it last ran forward
        self._kept: deque[tuple[int, int, bool]] = deque(maxlen=_KEPT)

    def moved(self, position: EncoderPosition) -> None:
        """Take the next position. One behind a gap forgets all that was before."""
        count = position.count
        if position.gap or not self._kept:
            self._kept.clear()
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
        self._kept.append((position.at_ns, count, self._forward))

    @property
    def oldest_count(self) -> int:
        """The count of the oldest position that is remembered; 0 before the first."""
        return self._kept[0][1] if self._kept else 0

    def at(self, at_ns: int) -> Spot | None:
        """Where the belt was at a moment; None: nobody remembers."""
        for back, (stamp_ns, count, forward) in enumerate(reversed(self._kept)):
            if stamp_ns <= at_ns:
                return Spot(count, forward, self.changes - back)
        return None

    def reached_ns(self, count: int, since_ns: int) -> int | None:
        """When the belt first was at or beyond a count after since_ns; None: not yet."""
        found = None
        for stamp_ns, seen, _ in reversed(self._kept):
            if stamp_ns <= since_ns:
                break
            if seen >= count:
                found = stamp_ns
        return found
