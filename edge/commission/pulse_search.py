"""The search for the shortest ejector pulse that still ejects a part."""

from __future__ import annotations

from collections import Counter
from math import ceil

MARGIN = 1.5  # factor on the shortest pulse: pressure falls, parts stick, valves age
LEAST_US = 1_000  # no valve is faster, and a busy machine may miss a shorter pulse
_SURE = 3  # the shortest pulse must eject this often
_MOST_PULSES = 40


class PulseSearch:
    """A bisection of pulse lengths in microseconds. Pure.

    Use: call ``next``, give a test pulse of that length, call ``answer``; repeat until ``next``
    returns None. The search begins with the configured pulse. While no pulse ejects, it doubles the
    length, up to ``most_us``. The result is accurate to ``resolution_us``, is not searched below
    LEAST_US, and has ejected three times.
    """

    def __init__(self, configured_us: int, *, most_us: int, resolution_us: int = 500) -> None:
        self.fault: str | None = None  # the reason where the search has no result
        self.pulses = 0
        self._most_us = max(most_us, configured_us)
        self._resolution_us = max(1, resolution_us)
        self._try_us = configured_us  # the next length while no pulse has ejected
        self._failed_us = 0
        self._ejected: Counter[int] = Counter()

    @property
    def shortest_us(self) -> int | None:
        """The shortest pulse that ejected; None while none has."""
        return min(self._ejected, default=None)

    @property
    def _too_short_us(self) -> int:
        return max(self._failed_us, LEAST_US)

    @property
    def proposed_us(self) -> int | None:
        """The shortest pulse times MARGIN, rounded up to tenths of a millisecond; None as above."""
        shortest = self.shortest_us
        return None if shortest is None else ceil(shortest * MARGIN / 100) * 100

    def next(self) -> int | None:
        """Return the pulse to try now. None: the search has ended; ``fault`` names a failure."""
        shortest = self.shortest_us
        if self.fault is not None:
            return None
        if self.pulses >= _MOST_PULSES:
            self.fault = f"{self.pulses} test pulses, and no length that ejects every time"
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
        """Record the result of the pulse that ``next`` returned: True if it ejected the part."""
        pulse_us = self.next()
        if pulse_us is None:
            return
        self.pulses += 1
        if ejected:
            self._ejected[pulse_us] += 1
            return
        self._failed_us = max(self._failed_us, pulse_us)
        self._try_us = 2 * pulse_us
        for shorter_us in [one for one in self._ejected if one <= pulse_us]:
            del self._ejected[shorter_us]
