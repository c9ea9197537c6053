"""The outcome of each part from the edges of the output, not from the orders. Pure: no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from edge.line.outcome import Action, Cause
from edge.rejector.messages import Actuated, PulseBegan, PulseEnded

# The stored pulses with a known end: 5 s at 100 pulses a second. A loop that was stopped reports
# its parts late.
_PULSES = 512
# A belt with unknown parts makes a pulse without a known end. After this time its parts are
# reported as ejected, with the width so far.
_MAX_WAIT_NS = 1_000_000_000
# With these causes the output is active for any part, and the report's moment is not the part's.
_NO_WINDOW = (Cause.QUEUE_FULL, Cause.REJECTOR_DOWN, Cause.OVERRUN)


@dataclass(frozen=True, slots=True)
class _Held:
    report: Actuated
    arrived_ns: int


class Outcomes:
    """Holds the rejector's reports until the present pulse has ended, and corrects them.

    - A part that was to pass, with its moment in a pulse (outer bounds), is reported as EJECTED
      with the cause OVERRUN.
    - A part that was to be ejected is EJECTED if a pulse lies in its window (inner bound of the
      beginning), else MISSED.

    Each report given to ``passed`` is returned once, by this or a later call. Parts without a
    moment (NO_PART, and those with a lost position) are returned unchanged. For one thread at a
    time.
    """

    def __init__(self, *, pulse_ns: int, by_counts: bool = False) -> None:
        """by_counts: the moment of a part that passed while no rejector ran is not known."""
        self._pulse_ns = pulse_ns
        self._momentless = (
            (Cause.POSITION_LOST, Cause.REJECTOR_DOWN) if by_counts else (Cause.POSITION_LOST,)
        )
        self._pulses: deque[PulseEnded] = deque(maxlen=_PULSES)
        self._open: PulseBegan | None = None
        self._held: deque[_Held] = deque()

    def began(self, pulse: PulseBegan) -> list[Actuated]:
        """Process the begin of a pulse. An earlier pulse without a reported end ended by then."""
        settled = self.cut(pulse.earliest_ns)
        if not self._is_known(pulse.pulse):
            self._open = pulse
        return settled

    def ended(self, pulse: PulseEnded) -> list[Actuated]:
        """Process the end of a pulse. Return the reports that waited for it."""
        if self._is_known(pulse.pulse):
            return []
        self._pulses.append(pulse)
        if self._open is not None and self._open.pulse > pulse.pulse:
            return []  # the end of an earlier one
        self._open = None
        return self._settle_all()

    def passed(self, report: Actuated, now_ns: int) -> list[Actuated]:
        """Process a report of the rejector. Return it at once unless the output is active."""
        if self._open is not None and self._has_moment(report):
            self._held.append(_Held(report, now_ns))
            return self.overdue(now_ns)
        return [self._settle(report)]

    def overdue(self, now_ns: int) -> list[Actuated]:
        """Return the reports that have waited too long, corrected by the pulses known so far."""
        settled = []
        while self._held and now_ns - self._held[0].arrived_ns > self._pulse_ns + _MAX_WAIT_NS:
            settled.append(self._settle(self._held.popleft().report, until_ns=now_ns))
        return settled

    def cut(self, at_ns: int) -> list[Actuated]:
        """The rejector has exited: end an open pulse at at_ns, its latest possible end."""
        if self._open is None:
            return []
        begun = self._open
        return self.ended(PulseEnded(begun.pulse, begun.earliest_ns, begun.since_ns, at_ns))

    def _has_moment(self, report: Actuated) -> bool:
        return report.action is not Action.NO_PART and report.cause not in self._momentless

    def _is_known(self, pulse: int) -> bool:
        return any(known.pulse == pulse for known in reversed(self._pulses))

    def _settle_all(self) -> list[Actuated]:
        held, self._held = self._held, deque()
        return [self._settle(one.report) for one in held]

    def _settle(self, report: Actuated, until_ns: int | None = None) -> Actuated:
        if not self._has_moment(report):
            return report
        due_ns = report.due_ns
        pulses = list(self._pulses)
        if self._open is not None and until_ns is not None:
            begun = self._open
            pulses.append(PulseEnded(begun.pulse, begun.earliest_ns, begun.since_ns, until_ns))
        if report.action is Action.PASSED:
            for pulse in reversed(pulses):
                if pulse.earliest_ns <= due_ns < pulse.end_ns:
                    return _ejected(replace(report, cause=Cause.OVERRUN), pulse)
            return report
        # The first pulse in its window. A later one belongs to another part.
        for pulse in pulses:
            if pulse.since_ns < due_ns + self._pulse_ns and due_ns < pulse.end_ns:
                return _ejected(report, pulse)
        if report.cause in _NO_WINDOW:
            return report
        return replace(report, action=Action.MISSED, width_us=0)


def _ejected(report: Actuated, pulse: PulseEnded) -> Actuated:
    at_ns = max(pulse.since_ns, report.due_ns)
    width_us = min(max(0, pulse.end_ns - at_ns) // 1000, 0xFFFFFFFF)
    return replace(report, at_ns=at_ns, width_us=width_us, action=Action.EJECTED)
