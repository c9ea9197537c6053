"""Finds by test kicks that a person judges when a part is at the ejector."""

from __future__ import annotations

from enum import Enum


class Aim(str, Enum):
    """Where a kick came, as seen by a person. EARLY: before the part was there."""

    EARLY = "early"
    LATE = "late"
    HIT = "hit"


class DelaySearch:
    """Bisects the delays at which a kick hits, and takes the middle of them: from there an error of
    either sign has the most room. Pure; delays are whole nanoseconds or counts.

    Ask ``next``, kick with that delay, ``answer``; until ``next`` is None. Kicks hit within one
    unbroken range of delays, are early below and late above it; one that is at least ``resolution``
    wide and lies within [least, most] is found, each of its ends to within the resolution.
    """

    def __init__(self, configured: int, *, resolution: int, least: int, most: int) -> None:
        self.resolution = max(1, resolution)
        self.fault: str | None = None  # why there is no answer
        self._first: int | None = configured
        self._early, self._late = least - 1, most + 1
        self._hits: tuple[int, int] | None = None

    @property
    def window(self) -> tuple[int, int] | None:
        """The least and the greatest delay that hit."""
        return self._hits

    @property
    def best(self) -> int | None:
        """The delay to set; None while none has hit."""
        return None if self._hits is None else sum(self._hits) // 2

    def next(self) -> int | None:
        """The delay to try now; None: done, or ``fault`` says why not."""
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
        """What the person saw of the delay that ``next`` gave."""
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
