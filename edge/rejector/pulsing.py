"""The reject output as the loop drives it: levels with an end, and reports of the real edges."""

from __future__ import annotations

from logging import getLogger

from edge.clock import Clock
from edge.devices.output import Output
from edge.rejector.guard import GuardProcess
from edge.rejector.lease import Lease
from edge.rejector.messages import PulseBegan, PulseEnded

_log = getLogger(__name__)

# A guard that died is replaced when nothing is due for so long: a fork takes some milliseconds.
_ROOM_NS = 20_000_000
_EVERY_NS = 1_000_000_000


class PulsingOutput:
    """Switches the output, tells the guard the end of each pulse before it begins.

    Every edge is reported once by ``reports``, with bounds: stamps from before and after the call
    that made it. Without a guard a pulse ends when the loop says so. One thread.
    """

    def __init__(
        self, output: Output, *, clock: Clock, lease: Lease, guard: GuardProcess | None = None
    ) -> None:
        self._output = output
        self._clock = clock
        self._lease = lease
        self._guard = guard
        self._active = False
        self._until_ns: int | None = None
        self._reports: list[PulseBegan | PulseEnded] = []
        self._started_ns = 0  # the guard
        self._heard = False  # something waits at guard_fd

    @property
    def guard_fd(self) -> int | None:
        """Readable when ``look`` has something to do; None: there is no guard."""
        link = None if self._guard is None else self._guard.link
        return None if link is None else link.fileno()

    @property
    def wake_ns(self) -> int | None:
        """When ``look`` should be called again, though nothing is readable; None: no need."""
        if self._guard is None or self._guard.link is not None:
            return None
        return self._clock.now_ns() + _ROOM_NS

    def reports(self) -> list[PulseBegan | PulseEnded]:
        """The edges since the last call."""
        found, self._reports = self._reports, []
        return found

    def heard(self) -> None:
        """``guard_fd`` is readable."""
        self._heard = True

    def look(self, next_ns: int | None) -> None:
        """Take in what the guard has done. next_ns: when the loop has something to do again.

        Raises DeviceError where the guard is dead and cannot be replaced.
        """
        guard = self._guard
        if guard is None:
            return
        if guard.link is not None:
            if not self._heard:
                return
            self._heard = False
            while (ended := guard.ended()) is not None:
                if ended.pulse == self._lease.pulse:
                    self._active = False
            if guard.link is not None:
                return
            _log.error("pulse_guard_died: until it is replaced only the loop ends a pulse")
        now_ns = self._clock.now_ns()
        busy = self._active or (next_ns is not None and next_ns - now_ns <= _ROOM_NS)
        if not busy and now_ns - self._started_ns > _EVERY_NS:
            self._started_ns = now_ns
            guard.start()

    def drive(self, active: bool, until_ns: int | None = None) -> None:
        """Set the level; until_ns: when an active output has to be inactive, None: not known.

        Raises DeviceError.
        """
        if not active:
            self._rest()
            return
        if not self._active or until_ns != self._until_ns:
            self._until_ns = until_ns
            self._lease.grant(until_ns)
        if self._active:
            return
        self._lease.begin(self._clock.now_ns())
        self._output.set(True)
        since_ns = self._clock.now_ns()
        self._lease.began(since_ns)
        self._active = True
        self._reports.append(PulseBegan(self._lease.pulse, self._lease.earliest_ns, since_ns))
        if until_ns is not None and until_ns <= since_ns:
            self._rest()  # held up before the call: the pulse is over

    def start(self) -> None:
        """Claim is done: no edge, and the guard is there. Raises DeviceError."""
        self._output.set(False)
        if self._guard is not None:
            self._started_ns = self._clock.now_ns()
            self._guard.start()

    def close(self, active: bool) -> None:
        """Leave the line at this level and release it; the guard ends."""
        try:
            if active:
                self.drive(True)
            else:
                self._rest()
                self._output.set(False)
            self._lease.end()
        finally:
            if self._guard is not None:
                self._guard.close()
            self._output.close()
            self._lease.close()

    def _rest(self) -> None:
        if self._active:
            self._output.set(False)
            end_ns = self._clock.now_ns()
            self._active = False
            lease = self._lease
            since_ns = lease.since_ns or end_ns
            self._reports.append(PulseEnded(lease.pulse, lease.earliest_ns, since_ns, end_ns))
        if self._lease.until_ns != 0:
            self._lease.clear()
