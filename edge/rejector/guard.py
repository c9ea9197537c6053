"""The guard: a second process that ends a pulse if the rejector's loop does not."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
from contextlib import suppress
from logging import getLogger

from edge.clock import Clock
from edge.devices.output import Output
from edge.errors import DeviceError
from edge.rejector.lease import Lease
from edge.rejector.messages import MAX_BYTES, PulseEnded, decode_report
from edge.rejector.realtime import claim_realtime

_log = getLogger(__name__)

_END_S = 1.0


class Guard:
    """Ends pulses, in a process that the loop has forked. It never begins one.

    It waits for the lease's timer and the loop's socket. ``lease.MARGIN_NS`` after the end of a
    pulse it ends the pulse itself. It sends ``PulseEnded`` to the loop and to the station, so that
    the station knows the moment even if the loop is stopped. If the loop has exited without an
    orderly end, its last pulse ends on time. The line is then released: the pull resistor sets the
    safe state.
    """

    def __init__(
        self,
        *,
        output: Output,
        lease: Lease,
        loop: socket.socket,
        station: socket.socket,
        clock: Clock,
        safe_active: bool,
    ) -> None:
        """loop: one end of a socket pair. The loop holds the only other end."""
        self._output = output
        self._lease = lease
        self._loop = loop
        self._station = station
        self._clock = clock
        self._safe_active = safe_active
        self._ended = 0  # the pulse whose end was sent

    def run(self) -> None:
        """Run until the loop's end of the socket is closed. Raises DeviceError."""
        while True:
            readable = select.select([self._lease.fileno(), self._loop.fileno()], [], [])[0]
            if self._lease.fileno() in readable:
                self._lease.wait_over()
                self._check_pulse()
            if self._loop.fileno() in readable:
                break
        if not self._lease.done:
            _log.error("rejector_loop_exited: its pulse ends on time, then the line is released")
            self._finish_pulse()

    def _check_pulse(self) -> None:
        lease, now_ns = self._lease, self._clock.now_ns()
        until_ns, pulse = lease.until_ns, lease.pulse
        if not until_ns or now_ns < until_ns or pulse == self._ended:
            return
        if self._output.is_active():
            self._end()
        elif lease.since_ns is None:
            lease.not_yet(now_ns)
        else:  # the loop has ended the pulse but not sent the report
            self._send(self._clock.now_ns())

    def _finish_pulse(self) -> None:
        """End the pulse of a loop that has exited, on time.

        A pulse without a known end, or one that purges the belt, ends now: the next process purges
        the belt, and needs the line.
        """
        until_ns = self._lease.until_ns
        if until_ns is None and self._safe_active:
            return
        if not self._output.is_active():
            if until_ns != 0 and self._lease.since_ns is not None:
                self._send(self._clock.now_ns())
            return
        while until_ns and 0 < (left_ns := until_ns - self._clock.now_ns()) <= self._lease.pulse_ns:
            select.select([], [], [], left_ns / 1e9)
        self._end()

    def _end(self) -> None:
        self._output.set(False)
        self._send(self._clock.now_ns())

    def _send(self, end_ns: int) -> None:
        lease = self._lease
        self._ended = lease.pulse
        # Without the loop's time stamp, it was stopped before: the pulse began by now.
        since_ns = lease.since_ns or end_ns
        packet = PulseEnded(self._ended, lease.earliest_ns, since_ns, end_ns).encode()
        for link in (self._station, self._loop):
            with suppress(BlockingIOError, ConnectionError):
                link.send(packet, socket.MSG_DONTWAIT)


class GuardProcess:
    """The loop's handle for its guard. One thread; ``start`` may be called again after an exit."""

    def __init__(
        self,
        *,
        output: Output,
        lease: Lease,
        station: socket.socket,
        clock: Clock,
        safe_active: bool,
        priority: int,
    ) -> None:
        """priority: for SCHED_FIFO, above the loop's; 0: normal scheduling."""
        self._output = output
        self._lease = lease
        self._station = station
        self._clock = clock
        self._safe_active = safe_active
        self._priority = priority
        self._link: socket.socket | None = None
        self._pid = 0

    @property
    def link(self) -> socket.socket | None:
        """Readable when the guard has ended a pulse or has exited; None: there is no guard."""
        return self._link

    def start(self) -> None:
        """Fork the guard from this single-threaded process. Blocks for milliseconds.

        Raises DeviceError.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise DeviceError(f"rejector: no second process: {error.strerror}") from error
        if self._pid == 0:
            ours.close()
            self._run_child(theirs)
        theirs.close()
        ours.setblocking(False)
        self._link = ours

    def ended(self) -> PulseEnded | None:
        """Return the pulse that the guard has ended, when ``link`` is readable.

        None: there is none, or the guard has exited.
        """
        assert self._link is not None
        try:
            packet = self._link.recv(MAX_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            packet = b""
        if not packet:
            self._reap()
            return None
        report = decode_report(packet)
        assert isinstance(report, PulseEnded)
        return report

    def close(self) -> None:
        """End the guard, and wait for its exit, at most 1 s."""
        if self._link is None:
            return
        self._link.shutdown(socket.SHUT_WR)
        if not select.select([self._link], [], [], _END_S)[0]:
            _log.error("pulse_guard_killed reason=no end within %s s", _END_S)
        self._reap()

    def _reap(self) -> None:
        assert self._link is not None
        self._link.close()
        self._link = None
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _run_child(self, loop: socket.socket) -> None:
        """Run the guard in the child. Never returns."""
        status = 1
        try:
            claim_realtime(self._priority)
            Guard(
                output=self._output,
                lease=self._lease,
                loop=loop,
                station=self._station,
                clock=self._clock,
                safe_active=self._safe_active,
            ).run()
            status = 0
        except Exception:  # noqa: BLE001 - this process has no caller: log and exit
            _log.exception("pulse_guard_failed")
        finally:
            with suppress(Exception):
                self._output.close()
            logging.shutdown()
            os._exit(status)
