"""The output line of a soaked line: its real level, the guard that ends pulses, the outcomes."""

from __future__ import annotations

from edge.rejector.lease import MARGIN_NS
from edge.rejector.messages import Actuated, PulseBegan, PulseEnded
from edge.rejector.outcomes import Outcomes

# From the end of a pulse to the guard's switch: its margin, and the 0.16 ms within which a process
# with real-time priority woke in 99.9 % of cases (`python -m bench.actuation`), rounded up.
BOUND_NS = MARGIN_NS + 250_000


class Wire:
    """The level as the ejector sees it, and ``Outcomes`` as the station has them.

    Every method that may end a pulse returns the reports that are settled by it.
    """

    def __init__(self, pulse_ns: int) -> None:
        self.active = False
        self.until_ns: int | None = None
        self._outcomes = Outcomes(pulse_ns=pulse_ns, by_counts=True)
        self._pulse_ns = pulse_ns
        self._began_ns = 0

    def ends_ns(self, now_ns: int, *, guarded: bool) -> int:
        """Up to when an active output was active, looked at now: the guard may have ended it."""
        if self.until_ns is None or not guarded:
            return now_ns
        return min(now_ns, self.until_ns + BOUND_NS)

    def drive(self, active: bool, until_ns: int | None, now_ns: int) -> list[Actuated]:
        """The loop switches, after ``guard``."""
        self.until_ns = until_ns
        if active and not self.active:
            self.active, self._began_ns = True, now_ns
            return self._outcomes.began(PulseBegan(now_ns, now_ns, now_ns))
        return [] if active else self.end(now_ns)

    def end(self, at_ns: int) -> list[Actuated]:
        """The output is inactive, whoever did it."""
        if not self.active:
            return []
        self.active = False
        began_ns = self._began_ns
        return self._outcomes.ended(PulseEnded(began_ns, began_ns, began_ns, at_ns))

    def passed(self, report: Actuated, now_ns: int) -> list[Actuated]:
        """The loop reports a part."""
        return self._outcomes.passed(report, now_ns)

    def new_station(self, now_ns: int) -> list[Actuated]:
        """The station is another one: what the old one still held."""
        settled = self._outcomes.cut(now_ns)
        self._outcomes = Outcomes(pulse_ns=self._pulse_ns, by_counts=True)
        return settled
