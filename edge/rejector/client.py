"""What the station holds of the rejector: orders out, reports in, and a new one when it dies."""

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
_PAUSE_S = (0.0, 0.1, 0.3, 1.0)  # before the next start, by starts that failed in a row
_ABANDON_S = 0.02  # between two looks at whether the last report is in
_LOOK_S = 0.1  # how often a client that hears nothing looks whether the process is alive
_GUARD_S = 1.0  # beyond the pulse, for the guard of a dead process to end it
_REPLAY_S = 0.05  # for a new process to make room for one more order


class RejectorClient:
    """Starts, feeds, watches and ends one rejector process.

    ``announce``, ``sighted`` and ``resolve`` may be called from any thread and never wait.
    Overflow rule: a socket that takes no more (some 270 orders lie in it unread, measured) means a
    rejector that hangs; it is killed and started anew. A rejector that dies is started again and
    told every part that is still under way; parts that went by meanwhile are reported as MISSED
    with the cause DOWN. By counts the new one takes them over where its encoder counts on; where it
    begins anew, they are reported as LOST and it is told so. Reports are handed to ``on_actuated``
    by a thread of the client, as ``Outcomes`` settles them: those of parts that passed while the
    output was active wait for the end of the pulse. ``beat`` keeps the rejector from taking the
    station for dead, and finds out whether it hangs.
    """

    def __init__(self, options: RejectorOptions, *, clock: Clock) -> None:
        self.restarts = 0
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._underway = AnnouncedParts(
            pulse_us=options.pulse_us,
            eject_unknown=options.on_unknown == "reject",
            capacity=options.capacity,
            safe_active=options.safe_state == "active",
            reach=options.counts_in_a_pulse,
        )
        self._outcomes = Outcomes(
            pulse_ns=options.pulse_us * 1000, by_counts=options.counts is not None
        )
        self._link: socket.socket | None = None  # where orders go; None while there is none
        self._reports: socket.socket | None = None  # the same one, for the thread that reads
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
        """The process that owns the output now; None while there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def start(self, on_actuated: Callable[[Actuated], None]) -> Ready:
        """Start the process and wait until it owns the output. Raises DeviceError."""
        self._on_actuated = on_actuated
        ready = self._spawn()
        self._thread.start()
        return ready

    def announce(self, part_id: int, due_ns: int) -> None:
        """A part is under way. Unless resolved in time, it is unknown at due_ns."""
        with self._lock:
            self._send(self._underway.announce(part_id, due_ns, self._clock.now_ns()))

    def sighted(self, part_id: int, seen_ns: int) -> None:
        """The photo-eye had an edge: the rejector finds the place of the part by its encoder.

        Unless resolved before the belt brings it there, it is unknown. Options need ``counts``.
        """
        with self._lock:
            self._send(self._underway.sighted(part_id, seen_ns, self._clock.now_ns()))

    def resolve(self, part_id: int, eject: bool) -> None:
        """The verdict on an announced part. One that comes too late does nothing."""
        with self._lock:
            self._underway.resolve(part_id, eject)
            self._send(Resolve(part_id, eject))

    def ping(self) -> int:
        """Say that the station sees its line; when the rejector last said something, nanoseconds.

        For the thread that announces, every 0.1 s. A rejector that has not answered for
        silence_ms hangs: it is killed and started anew.
        """
        with self._lock:
            now_ns = self._clock.now_ns()
            limit_ns = self._options.silence_ms * 1_000_000
            asked_ns, link = self._asked_ns, self._link
            if link is not None and asked_ns is not None and 0 < limit_ns < now_ns - asked_ns:
                # An answer that lies there unread is our own delay.
                if not select.select([link], [], [], 0)[0]:
                    _log.error("rejector_hangs: no answer in %s ms, killed", limit_ns // 1_000_000)
                    self._link = None
                    self._kill()
            elif link is not None:
                self._asked_ns = now_ns if asked_ns is None else asked_ns
                self._send(Ping())
            return self._answered_ns

    def abandon(self, timeout_s: float) -> None:
        """For a station that has to die: no goodbye, so that the rejector deals with what is
        announced and takes its safe state.

        Reports come in until the last announced part is by, and for timeout_s more at most.
        """
        self._give_up.set()
        if self._thread.ident is None:
            return
        now_ns = self._clock.now_ns()
        with self._lock:
            limit_ns = max(self._underway.last_due_ns(now_ns), now_ns) + round(timeout_s * 1e9)
        while len(self._underway) and self._thread.is_alive() and self._clock.now_ns() < limit_ns:
            self._thread.join(_ABANDON_S)
        link = self._reports
        if link is not None:
            with suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout_s)
        if self._thread.is_alive():  # no part is under way any more: it hangs
            self._kill()
            self._thread.join(timeout_s)

    def close(self, timeout_s: float) -> Counted | None:
        """Let the announced parts go by, end the process, join the thread.

        Waits until the last part is due, and at most timeout_s more; then the process is killed. By
        counts nobody knows when that is: the rejector gives up parts on a belt that stands for 1 s,
        and all after 30 s.
        The counters of the last process, or None where it did not end in order.
        """
        with self._lock:
            self._closing = True
            last_ns = self._underway.last_due_ns(self._clock.now_ns() + DRAIN_NS)
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
        """A new process and its Ready; the link is not yet open to announce and resolve."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = command_of("edge.rejector", *self._options.arguments(theirs.fileno()))
        # Blocked signals are inherited: no Ctrl-C can end it before it has learned to ignore them.
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
            gone = self._underway.gone_by(now_ns) + self._underway.lost(ready.origin, now_ns)
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
            raise DeviceError(f"rejector: speaks another version, expected {VERSION}: {ready}")
        link.setblocking(False)
        return ready

    def _replay(self, origin: int) -> None:
        """Tell a new process what is still under way. Locked."""
        counts = self._options.counts
        now_ns = self._clock.now_ns()
        orders = self._underway.orders(
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
        """Hand one order to the socket, if there is one. Locked."""
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
            self._link = None  # it is dead; the thread sees that too and starts another

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _watch(self) -> None:
        """The thread: read reports; when the process ends before its time, start another."""
        while True:
            self._read_reports()
            with self._lock:
                self._link = None
            assert self._process is not None
            status = self._process.wait()
            if self._counted is not None or self._give_up.is_set():
                return
            self.restarts += 1
            _log.error("rejector_died status=%s restarts=%s", status, self.restarts)
            if not self._restart():
                return

    def _read_reports(self) -> None:
        """Hand over reports until the process and its guard have closed their ends."""
        assert self._reports is not None
        dead_ns: int | None = None
        with self._reports as link:
            while True:
                readable = select.select([link], [], [], _LOOK_S)[0]
                self._hand_over(self._outcomes.overdue(self._clock.now_ns()))
                if not readable:
                    dead_ns = self._wait_for_guard(dead_ns)
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
                self._take(report)
        self._hand_over(self._outcomes.cut(self._clock.now_ns()))

    def _wait_for_guard(self, dead_ns: int | None) -> int | None:
        """Since when the process has been dead while its guard is not; a guard that outlives the
        pulse is killed, as the line is needed."""
        assert self._process is not None
        if self._process.poll() is None:
            return None
        now_ns = self._clock.now_ns()
        if dead_ns is None:
            return now_ns
        if now_ns - dead_ns > self._options.pulse_us * 1000 + round(_GUARD_S * 1e9):
            _log.error("pulse_guard_killed reason=it holds the line of a dead rejector")
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return dead_ns

    def _take(self, report: Report) -> None:
        now_ns = self._clock.now_ns()
        if not isinstance(report, PulseEnded):  # which may be the guard's
            self._answered_ns, self._asked_ns = now_ns, None
        if isinstance(report, Counted):
            self._counted = report
        elif isinstance(report, Placed):
            with self._lock:
                self._underway.placed(report)
        elif isinstance(report, PulseBegan):
            self._hand_over(self._outcomes.began(report))
        elif isinstance(report, PulseEnded):
            self._hand_over(self._outcomes.ended(report))
        elif isinstance(report, Actuated):
            with self._lock:
                report = self._underway.reported(report)
            self._hand_over(self._outcomes.passed(report, now_ns))

    def _restart(self) -> bool:
        """Try until there is a process again; False when the client gives up or is done."""
        for attempt in itertools.count():
            with self._lock:
                gone = self._underway.gone_by(self._clock.now_ns())
            self._report_down(gone)
            if self._closing and not len(self._underway):
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
        """Parts that no process has reported: the last pulse may have outlived its process."""
        now_ns = self._clock.now_ns()
        for report in gone:
            self._hand_over(self._outcomes.passed(report, now_ns))

    def _hand_over(self, settled: list[Actuated]) -> None:
        for report in settled:
            self._on_actuated(report)
