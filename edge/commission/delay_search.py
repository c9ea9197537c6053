"""The search for the delay with which a test pulse hits a part at the ejector."""

from __future__ import annotations

from enum import Enum


class Aim(str, Enum):
    """The position of a test pulse, as the operator saw it. EARLY: before the part arrived."""

    EARLY = "early"
    LATE = "late"
    HIT = "hit"


class DelaySearch:
    """A bisection of the delays at which a test pulse hits the part.

    The result is the middle of these delays, which allows the largest error to either side. Pure;
    delays are whole nanoseconds or counts.

    Use: call ``next``, give a test pulse with that delay, call ``answer``; repeat until ``next``
    returns None. The search assumes one unbroken range of delays that hit, with early pulses below
    and late ones above it. A range within [least, most] that is at least ``resolution`` wide is
    found, and both ends are accurate to the resolution.
    """

    def __init__(self, configured: int, *, resolution: int, least: int, most: int) -> None:
        self.resolution = max(1, resolution)
        self.fault: str | None = None  # the reason where the search has no result
        self._first: int | None = configured
        self._early, self._late = least - 1, most + 1
        self._hits: tuple[int, int] | None = None

    @property
    def window(self) -> tuple[int, int] | None:
        """The smallest and the greatest delay that hit; None while none has hit."""
        return self._hits

    @property
    def best(self) -> int | None:
        """The delay to configure; None while none has hit."""
        return None if self._hits is None else sum(self._hits) // 2

    def next(self) -> int | None:
        """Return the delay to try now. None: the search has ended; ``fault`` names a failure."""
        if self.fault is not None:
            return None
        if self._first is not None:
            return self._first
        if self._hits is None:
            if self._late - self._early <= max(1, self.resolution):
                self.fault = f"no delay hits between {self._early} and {self._late}"
                return None
            return (self._early + self._late) // 2
        first, last = self._hits
        if first - self._early > self.resolution:
            return (self._early + first) // 2
        if self._late - last > self.resolution:
            return (last + self._late + 1) // 2
        return None

    def answer(self, aim: Aim) -> None:
        """Record what the operator saw for the delay that ``next`` returned."""
        delay = self.next()
        if delay is None:
            return
        self._first = None
        if aim is Aim.HIT:
            first, last = self._hits or (delay, delay)
            self._hits = min(first, delay), max(last, delay)
        elif self._hits is not None and (delay < self._hits[0]) != (aim is Aim.EARLY):
            self.fault = f"answers contradict: {delay} was {aim.value}, {self._hits} hit"
        elif aim is Aim.EARLY:
            self._early = max(self._early, delay)
        else:
            self._late = min(self._late, delay)
