"""The station's side of the rejector: sends orders, reads reports, and restarts the process."""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from logging import getLogger

from edge.child_processes import FOLDER, command_of, environment_of
from edge.clock import Clock
from edge.errors import DeviceError
from edge.rejector.announced import AnnouncedParts
from edge.rejector.loop import DRAIN_NS
from edge.rejector.messages import (
    MAX_BYTES,
    VERSION,
    Actuated,
    Counted,
    Goodbye,
    Hello,
    Order,
    Ping,
    Placed,
    PulseBegan,
    PulseEnded,
    Ready,
    Report,
    Resolve,
    decode_report,
)
from edge.rejector.options import RejectorOptions
from edge.rejector.outcomes import Outcomes

_log = getLogger(__name__)

_READY_S = 10.0  # measured: 0.1 s on an idle machine, 0.5 s with every core busy
_PAUSE_S = (0.0, 0.1, 0.3, 1.0)  # before the next start, by the failed starts in a row
_ABANDON_S = 0.02  # between two checks for the last report
_LOOK_S = 0.1  # between two checks of the process while no report arrives
_GUARD_S = 1.0  # beyond the pulse, for the guard to end it after the process has exited
_REPLAY_S = 0.05  # for a new process to read an order, so that the socket takes one more


class RejectorClient:
    """Starts, supervises and ends the rejector process, and restarts it after an exit.

    Synchronization: ``announce``, ``sighted`` and ``resolve`` are for any thread and never wait. A
    thread of the client calls ``on_actuated`` with each report, when ``Outcomes`` has settled it.
    The report of a part that passed while the output was active waits for the end of the pulse.

    Restart: the new process gets an order for every part under way. Parts whose window ended
    meanwhile are reported with the cause REJECTOR_DOWN: MISSED if they were to be ejected. By
    counts the new process takes all parts over if its encoder continues to count. If it counts from
    a new origin, they are reported with POSITION_LOST.

    Overflow rule: a socket that takes no more orders (about 270 unread, measured) shows that the
    rejector hangs. It is killed and restarted. ``ping`` shows the rejector that the station works,
    and detects a rejector that hangs.
    """

    def __init__(self, options: RejectorOptions, *, clock: Clock) -> None:
        self.restarts = 0
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._announced = AnnouncedParts(
            pulse_us=options.pulse_us,
            eject_unknown=options.on_unknown == "reject",
            capacity=options.capacity,
            safe_active=options.safe_state == "active",
            reach=options.counts_in_a_pulse,
        )
        self._outcomes = Outcomes(
            pulse_ns=options.pulse_us * 1000, by_counts=options.counts is not None
        )
        self._link: socket.socket | None = None  # for orders; None while there is no process
        self._reports: socket.socket | None = None  # the same socket, for the thread that reads
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False
        self._answered_ns = clock.now_ns()
        self._asked_ns: int | None = None  # the first ping without an answer
        self._give_up = threading.Event()
        self._counted: Counted | None = None
        self._on_actuated: Callable[[Actuated], None] = lambda report: None
        self._thread = threading.Thread(target=self._watch, name="rejector-link")

    @property
    def pid(self) -> int | None:
        """Return the process that owns the output now; None while there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self, on_actuated: Callable[[Actuated], None]) -> Ready:
        """Start the process and wait until it owns the output. Raises DeviceError."""
        self._on_actuated = on_actuated
        ready = self._spawn()
        self._thread.start()
        return ready

    def announce(self, part_id: int, due_ns: int) -> None:
        """Announce a part. Without a verdict by due_ns, it is unknown."""
        with self._lock:
            self._send(self._announced.announce(part_id, due_ns, self._clock.now_ns()))

    def sighted(self, part_id: int, seen_ns: int) -> None:
        """Announce a part by the time of its edge at the photo-eye. Options need ``counts``.

        The rejector finds the place of the part with its encoder. Without a verdict before the
        belt has brought it to the ejector, the part is unknown.
        """
        with self._lock:
            self._send(self._announced.sighted(part_id, seen_ns, self._clock.now_ns()))

    def resolve(self, part_id: int, eject: bool) -> None:
        """Send the verdict on an announced part. A verdict that is too late has no effect."""
        with self._lock:
            self._announced.resolve(part_id, eject)
            self._send(Resolve(part_id, eject))

    def ping(self) -> int:
        """Send a Ping, and return the time of the rejector's last report in nanoseconds.

        For the thread that announces parts, every 0.1 s. A rejector that has not answered for
        silence_ms hangs: it is killed and restarted.
        """
        with self._lock:
            now_ns = self._clock.now_ns()
            limit_ns = self._options.silence_ms * 1_000_000
            asked_ns, link = self._asked_ns, self._link
            if link is not None and asked_ns is not None and 0 < limit_ns < now_ns - asked_ns:
                # An answer that is there and unread is a delay of this process.
                if not select.select([link], [], [], 0)[0]:
                    _log.error("rejector_hangs: no answer in %s ms, killed", limit_ns // 1_000_000)
                    self._link = None
                    self._kill()
            elif link is not None:
                self._asked_ns = now_ns if asked_ns is None else asked_ns
                self._send(Ping())
            return self._answered_ns

    def abandon(self, timeout_s: float) -> None:
        """Close the connection without Goodbye, for a station that must exit.

        The rejector completes the announced parts and then sets the safe state. Reports are read
        until the last announced part is due, and for timeout_s more at most.
        """
        self._give_up.set()
        if self._thread.ident is None:
            return
        now_ns = self._clock.now_ns()
        with self._lock:
            limit_ns = max(self._announced.last_due_ns(now_ns), now_ns) + round(timeout_s * 1e9)
        while len(self._announced) and self._thread.is_alive() and self._clock.now_ns() < limit_ns:
            self._thread.join(_ABANDON_S)
        link = self._reports
        if link is not None:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout_s)
        if self._thread.is_alive():  # no part is under way any more, so the rejector hangs
            self._kill()
            self._thread.join(timeout_s)

    def close(self, timeout_s: float) -> Counted | None:
        """Wait for the outcomes of the announced parts, end the process and join the thread.

        Return the counters of the last process; None: it did not end in order. The wait ends
        timeout_s after the last part is due; then the process is killed. By counts the due time is
        not known. The rejector gives up parts on a belt that stands for 1 s, and all parts after
        30 s.
        """
        with self._lock:
            self._closing = True
            last_ns = self._announced.last_due_ns(self._clock.now_ns() + DRAIN_NS)
            self._send(Goodbye())
        if self._thread.ident is None:
            return None
        self._thread.join(max(0.0, (last_ns - self._clock.now_ns()) / 1e9) + timeout_s)
        if self._thread.is_alive():
            _log.error("rejector_killed reason=no end within %s s of the last part", timeout_s)
            self._give_up.set()
            self._kill()
            self._thread.join(timeout_s)
        return self._counted

    def _spawn(self) -> Ready:
        """Start a process, wait for its Ready, send it the parts under way, and open the link."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = command_of("edge.rejector", *self._options.arguments(theirs.fileno()))
        # The process inherits blocked signals, so Ctrl-C cannot end it before it ignores them.
        stops = {signal.SIGINT, signal.SIGTERM}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
        try:
            process = subprocess.Popen(
                command,
                cwd=FOLDER,
                env=environment_of(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise DeviceError(f"rejector: cannot be started: {error.strerror}") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self._process = process
        try:
            ready = self._greet(ours)
        except DeviceError:
            ours.close()
            process.kill()
            process.wait()
            raise
        self._reports = ours
        with self._lock:
            now_ns = self._clock.now_ns()
            gone = self._announced.remove_overdue(now_ns)
            gone += self._announced.remove_lost(ready.origin, now_ns)
            self._answered_ns, self._asked_ns = now_ns, None
            self._link = ours
            self._replay(ready.origin)
        self._report_down(gone)
        _log.info("rejector_ready pid=%s realtime=%s", process.pid, ready.realtime)
        return ready

    def _greet(self, link: socket.socket) -> Ready:
        link.settimeout(_READY_S)
        try:
            link.send(Hello(VERSION).encode())
            ready = decode_report(link.recv(MAX_BYTES))
        except (OSError, ValueError) as error:
            raise DeviceError(f"rejector: did not become ready: {error}") from error
        if not isinstance(ready, Ready) or ready.version != VERSION:
            raise DeviceError(f"rejector: protocol version {VERSION} expected, received {ready}")
        link.setblocking(False)
        return ready

    def _replay(self, origin: int) -> None:
        """Send a new process the orders for the parts under way. The caller holds the lock."""
        counts = self._options.counts
        now_ns = self._clock.now_ns()
        orders = self._announced.orders(
            origin,
            purge_at_start=counts is not None and counts.purge_at_start,
            clear_ns=self._options.clear_ns if counts is None else 0,
            now_ns=now_ns,
        )
        for order in orders:
            self._send(order, wait_s=_REPLAY_S)
        if self._closing:
            self._send(Goodbye(), wait_s=_REPLAY_S)

    def _send(self, order: Order, *, wait_s: float = 0.0) -> None:
        """Send one order, if there is a process. The caller holds the lock."""
        if self._link is None:
            return
        try:
            if wait_s:
                select.select([], [self._link], [], wait_s)
            self._link.send(order.encode())
        except BlockingIOError:
            _log.error("rejector_hangs: it reads no orders and is killed")
            self._link = None
            self._kill()
        except OSError:
            self._link = None  # the process has exited; the thread detects that and restarts it

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _watch(self) -> None:
        """Run the thread: read reports, and restart the process when it exits too early."""
        while True:
            self._read_reports()
            with self._lock:
                self._link = None
            assert self._process is not None
            status = self._process.wait()
            if self._counted is not None or self._give_up.is_set():
                return
            self.restarts += 1
            _log.error("rejector_exited status=%s restarts=%s", status, self.restarts)
            if not self._restart():
                return

    def _read_reports(self) -> None:
        """Read reports until the process and its guard have closed the connection."""
        assert self._reports is not None
        exited_ns: int | None = None
        with self._reports as link:
            while True:
                readable = select.select([link], [], [], _LOOK_S)[0]
                self._hand_over(self._outcomes.overdue(self._clock.now_ns()))
                if not readable:
                    exited_ns = self._wait_for_guard(exited_ns)
                    continue
                try:
                    packet = link.recv(MAX_BYTES)
                except ConnectionError:
                    break
                if not packet:
                    break
                try:
                    report = decode_report(packet)
                except ValueError as error:
                    _log.error("report_ignored reason=%s", error)
                    continue
                self._handle_report(report)
        self._hand_over(self._outcomes.cut(self._clock.now_ns()))

    def _wait_for_guard(self, exited_ns: int | None) -> int | None:
        """Return the time since which the process has exited while its guard runs; None: it runs.

        A guard that runs for longer than the pulse is killed, as the next process needs the line.
        """
        assert self._process is not None
        if self._process.poll() is None:
            return None
        now_ns = self._clock.now_ns()
        if exited_ns is None:
            return now_ns
        if now_ns - exited_ns > self._options.pulse_us * 1000 + round(_GUARD_S * 1e9):
            _log.error("pulse_guard_killed reason=it holds the line of a rejector that has exited")
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return exited_ns

    def _handle_report(self, report: Report) -> None:
        now_ns = self._clock.now_ns()
        if not isinstance(report, PulseEnded):  # the guard may have sent it
            self._answered_ns, self._asked_ns = now_ns, None
        if isinstance(report, Counted):
            self._counted = report
        elif isinstance(report, Placed):
            with self._lock:
                self._announced.placed(report)
        elif isinstance(report, PulseBegan):
            self._hand_over(self._outcomes.began(report))
        elif isinstance(report, PulseEnded):
            self._hand_over(self._outcomes.ended(report))
        elif isinstance(report, Actuated):
            with self._lock:
                report = self._announced.reported(report)
            self._hand_over(self._outcomes.passed(report, now_ns))

    def _restart(self) -> bool:
        """Try until a process runs. Return False if the client has given up or has no parts."""
        for attempt in itertools.count():
            with self._lock:
                gone = self._announced.remove_overdue(self._clock.now_ns())
            self._report_down(gone)
            if self._closing and not len(self._announced):
                return False
            if self._give_up.wait(_PAUSE_S[min(attempt, len(_PAUSE_S) - 1)]):
                return False
            try:
                self._spawn()
            except DeviceError as error:
                _log.error("rejector_not_restarted reason=%s", error)
            else:
                return True
        raise AssertionError("unreachable")

    def _report_down(self, gone: list[Actuated]) -> None:
        """Report parts that no process has reported. The last pulse may have outlasted its
        process."""
        now_ns = self._clock.now_ns()
        for report in gone:
            self._hand_over(self._outcomes.passed(report, now_ns))

    def _hand_over(self, settled: list[Actuated]) -> None:
        for report in settled:
            self._on_actuated(report)
