"""The reject output for the loop: levels with an end, and reports of the real edges."""

from __future__ import annotations

from logging import getLogger

from edge.clock import Clock
from edge.devices.output import Output
from edge.rejector.guard import GuardProcess
from edge.rejector.lease import Lease
from edge.rejector.messages import PulseBegan, PulseEnded

_log = getLogger(__name__)

# A guard that has exited is replaced when nothing is due for this time, as a fork takes some
# milliseconds. It is replaced once a second at most.
_IDLE_NS = 20_000_000
_RESTART_NS = 1_000_000_000


class PulsingOutput:
    """Switches the output, and gives the guard the end of each pulse before the pulse begins.

    ``reports`` returns every edge once, with bounds: the times before and after the call that made
    it. Without a guard only the loop ends a pulse. For one thread.
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
        self._started_ns = 0  # the last start of the guard
        self._readable = False  # guard_fd is readable

    @property
    def guard_fd(self) -> int | None:
        """Readable when ``update`` has work; None: there is no guard."""
        link = None if self._guard is None else self._guard.link
        return None if link is None else link.fileno()

    @property
    def wake_ns(self) -> int | None:
        """Return when ``update`` must be called again without input; None: not needed."""
        if self._guard is None or self._guard.link is not None:
            return None
        return self._clock.now_ns() + _IDLE_NS

    def reports(self) -> list[PulseBegan | PulseEnded]:
        """Return the edges since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def mark_readable(self) -> None:
        """Record that ``guard_fd`` is readable, for ``update``."""
        self._readable = True

    def update(self, next_ns: int | None) -> None:
        """Process the guard's reports, and replace a guard that has exited.

        next_ns: the next time at which the loop has work. Raises DeviceError if the guard cannot be
        replaced.
        """
        guard = self._guard
        if guard is None:
            return
        if guard.link is not None:
            if not self._readable:
                return
            self._readable = False
            while (ended := guard.ended()) is not None:
                if ended.pulse == self._lease.pulse:
                    self._active = False
            if guard.link is not None:
                return
            _log.error("pulse_guard_exited: until it is replaced only the loop ends a pulse")
        now_ns = self._clock.now_ns()
        busy = self._active or (next_ns is not None and next_ns - now_ns <= _IDLE_NS)
        if not busy and now_ns - self._started_ns > _RESTART_NS:
            self._started_ns = now_ns
            guard.start()

    def drive(self, active: bool, until_ns: int | None = None) -> None:
        """Set the level. until_ns: the time at which an active output must become inactive; None:
        not known. Raises DeviceError.
        """
        if not active:
            self._deactivate()
            return
        if not self._active or until_ns != self._until_ns:
            self._until_ns = until_ns
            self._lease.grant(until_ns)
        if self._active:
            return
        since_ns = self._begin()
        if until_ns is not None and until_ns <= since_ns:
            self._deactivate()  # delayed before the call: the pulse is over

    def start(self) -> None:
        """Set the output inactive and start the guard. Raises DeviceError."""
        self._output.set(False)
        if self._guard is not None:
            self._started_ns = self._clock.now_ns()
            self._guard.start()

    def close(self, active: bool) -> None:
        """End the guard, set the final level and release the line. Blocks for 1 s at most.

        The guard can end a pulse until it has exited, so the final level is set again after that.
        """
        try:
            self.drive(active)
            self._lease.end()
        finally:
            try:
                if self._guard is not None:
                    self._guard.close()
                self._set_final(active)
            finally:
                self._output.close()
                self._lease.close()

    def _begin(self) -> int:
        """Set the output active. Return the time after that."""
        self._lease.begin(self._clock.now_ns())
        self._output.set(True)
        since_ns = self._clock.now_ns()
        self._lease.began(since_ns)
        self._active = True
        self._reports.append(PulseBegan(self._lease.pulse, self._lease.earliest_ns, since_ns))
        return since_ns

    def _set_final(self, active: bool) -> None:
        if active and not self._output.is_active():
            self._active = False  # the guard has ended the pulse
            self._begin()
        else:
            self._output.set(active)

    def _deactivate(self) -> None:
        if self._active:
            self._output.set(False)
            end_ns = self._clock.now_ns()
            self._active = False
            lease = self._lease
            since_ns = lease.since_ns or end_ns
            self._reports.append(PulseEnded(lease.pulse, lease.earliest_ns, since_ns, end_ns))
        if self._lease.until_ns != 0:
            self._lease.clear()
