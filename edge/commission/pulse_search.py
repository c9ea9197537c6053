"""Finds by test kicks the shortest pulse that still ejects a part."""

from __future__ import annotations

from collections import Counter
from math import ceil

MARGIN = 1.5  # of the shortest pulse that ejects: pressure falls, parts stick, valves age
LEAST_US = 1_000  # no valve is so fast; a shorter one a busy machine may miss altogether
_SURE = 3  # kicks in a row by the shortest pulse
_MOST_KICKS = 40


class PulseSearch:
    """Bisects microseconds. Pure. Ask ``next``, kick, ``answer``; until ``next`` is None.

    Begins with the configured pulse; where that does not eject, twice as long each time, up to
    ``most_us``. The shortest is within ``resolution_us``, or not looked for below LEAST_US, and has
    ejected three times.
    """

    def __init__(self, configured_us: int, *, most_us: int, resolution_us: int = 500) -> None:
        self.fault: str | None = None  # why there is no answer
        self.kicks = 0
        self._most_us = max(most_us, configured_us)
        self._resolution_us = max(1, resolution_us)
        self._try_us = configured_us  # while none ejects
        self._failed_us = 0
        self._ejected: Counter[int] = Counter()

    @property
    def shortest_us(self) -> int | None:
        """None while none has ejected."""
        return min(self._ejected, default=None)

    @property
    def _too_short_us(self) -> int:
        return max(self._failed_us, LEAST_US)

    @property
    def proposed_us(self) -> int | None:
        """The shortest with its margin, in whole tenths of a millisecond."""
        shortest = self.shortest_us
        return None if shortest is None else ceil(shortest * MARGIN / 100) * 100

    def next(self) -> int | None:
        """The pulse to try now; None: done, or ``fault`` says why not."""
        shortest = self.shortest_us
        if self.fault is not None:
            return None
        if self.kicks >= _MOST_KICKS:
            self.fault = f"{self.kicks} kicks and no pulse that ejects each time"
        elif shortest is None:
            if self._failed_us < self._most_us:
                return min(self._try_us, self._most_us)
            self.fault = f"no pulse up to {self._most_us / 1e3:g} ms ejects"
        elif shortest - self._too_short_us > self._resolution_us:
            return (self._too_short_us + shortest) // 2
        elif self._ejected[shortest] < _SURE:
            return shortest
        return None

    def answer(self, ejected: bool) -> None:
        """Whether the pulse that ``next`` gave ejected the part."""
        pulse_us = self.next()
        if pulse_us is None:
            return
        self.kicks += 1
        if ejected:
            self._ejected[pulse_us] += 1
            return
        self._failed_us = max(self._failed_us, pulse_us)
        self._try_us = 2 * pulse_us
        for shorter_us in [one for one in self._ejected if one <= pulse_us]:
            del self._ejected[shorter_us]
