"""A second process that ends the pulse when the rejector's loop does not."""

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

    It sleeps on the lease's timer and on the loop's socket. A pulse whose end is over by
    ``lease.MARGIN_NS`` is ended, and ``PulseEnded`` is sent to the loop and to the station, which
    so learns the moment although the loop is stopped. When the loop is dead and has not ended in
    order, its last pulse ends when it should, and the line is released: the pull resistor is the
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
        """loop: this end of a socket pair; the loop holds the only other one."""
        self._output = output
        self._lease = lease
        self._loop = loop
        self._station = station
        self._clock = clock
        self._safe_active = safe_active
        self._ended = 0  # the pulse whose end was sent

    def run(self) -> None:
        """Until the loop's end of the socket is closed. Raises DeviceError."""
        while True:
            readable = select.select([self._lease.fileno(), self._loop.fileno()], [], [])[0]
            if self._lease.fileno() in readable:
                self._lease.wait_over()
                self._look()
            if self._loop.fileno() in readable:
                break
        if not self._lease.done:
            _log.error("rejector_loop_dead: its pulse ends on time, then the line is released")
            self._see_out()

    def _look(self) -> None:
        lease, now_ns = self._lease, self._clock.now_ns()
        until_ns, pulse = lease.until_ns, lease.pulse
        if not until_ns or now_ns < until_ns or pulse == self._ended:
            return
        if self._output.is_active():
            self._end()
        elif lease.since_ns is None:
            lease.not_yet(now_ns)
        else:  # the loop has ended it, and not sent it
            self._send(self._clock.now_ns())

    def _see_out(self) -> None:
        """The pulse of a dead loop: it ends when it should. One without an end, or one that is to
        clear the belt, ends now: the next process clears it, and needs the line."""
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
        # A loop that was stopped before its stamp: the pulse began by now.
        since_ns = lease.since_ns or end_ns
        packet = PulseEnded(self._ended, lease.earliest_ns, since_ns, end_ns).encode()
        for link in (self._station, self._loop):
            with suppress(BlockingIOError, ConnectionError):
                link.send(packet, socket.MSG_DONTWAIT)


class GuardProcess:
    """The loop's handle on its guard. One thread; ``start`` may be called anew after a death."""

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
        """priority: of SCHED_FIFO, above the loop's; 0: none."""
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
        """Readable when the guard has ended a pulse, or is dead; None: there is no guard."""
        return self._link

    def start(self) -> None:
        """Fork it: a process of one thread only. Blocks for milliseconds. Raises DeviceError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise DeviceError(f"rejector: no second process: {error.strerror}") from error
        if self._pid == 0:
            ours.close()
            self._be(theirs)
        theirs.close()
        ours.setblocking(False)
        self._link = ours

    def ended(self) -> PulseEnded | None:
        """The pulse that the guard has ended, where ``link`` is readable; None: it is dead."""
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
        """The guard has nothing more to do: wait until it is gone, at most 1 s."""
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

    def _be(self, loop: socket.socket) -> None:
        """The child: never returns."""
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
        except Exception:  # noqa: BLE001 - a process of its own: whatever it is ends here
            _log.exception("pulse_guard_failed")
        finally:
            with suppress(Exception):
                self._output.close()
            logging.shutdown()
            os._exit(status)
