"""The reject output of a simulated line: its level, the guard that ends pulses, the outcomes."""

from __future__ import annotations

from edge.rejector.lease import MARGIN_NS
from edge.rejector.messages import Actuated, PulseBegan, PulseEnded
from edge.rejector.outcomes import Outcomes

# Time from the end of a pulse to the guard's switch. It is the guard's margin plus a wake-up,
# rounded up. A process with real-time priority woke within 0.16 ms in 99.9 % of cases
# (`python -m bench.actuation`).
BOUND_NS = MARGIN_NS + 250_000


class OutputLine:
    """The level of the output, and the ``Outcomes`` of the station.

    Every method that may end a pulse returns the reports that become final.
    """

    def __init__(self, pulse_ns: int) -> None:
        self.active = False
        self.until_ns: int | None = None
        self._outcomes = Outcomes(pulse_ns=pulse_ns, by_counts=True)
        self._pulse_ns = pulse_ns
        self._began_ns = 0

    def ends_ns(self, now_ns: int, *, guarded: bool) -> int:
        """Return the time at which an active output ends, at most now.

        The guard may have ended it.
        """
        if self.until_ns is None or not guarded:
            return now_ns
        return min(now_ns, self.until_ns + BOUND_NS)

    def drive(self, active: bool, until_ns: int | None, now_ns: int) -> list[Actuated]:
        """Switch the output, as the rejector's loop does."""
        self.until_ns = until_ns
        if active and not self.active:
            self.active, self._began_ns = True, now_ns
            return self._outcomes.began(PulseBegan(now_ns, now_ns, now_ns))
        return [] if active else self.end(now_ns)

    def end(self, at_ns: int) -> list[Actuated]:
        """Make the output inactive, as loop or guard does."""
        if not self.active:
            return []
        self.active = False
        began_ns = self._began_ns
        return self._outcomes.ended(PulseEnded(began_ns, began_ns, began_ns, at_ns))

    def passed(self, report: Actuated, now_ns: int) -> list[Actuated]:
        """Report a part, as the rejector's loop does."""
        return self._outcomes.passed(report, now_ns)

    def new_station(self, now_ns: int) -> list[Actuated]:
        """Replace the station, and return the reports that the old one still held."""
        settled = self._outcomes.cut(now_ns)
        self._outcomes = Outcomes(pulse_ns=self._pulse_ns, by_counts=True)
        return settled
