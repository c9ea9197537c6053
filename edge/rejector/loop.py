"""The loop of the rejector: orders in, levels of the output out, at the moment they are due."""

from __future__ import annotations

import select
import socket
from logging import getLogger

from edge.clock import Clock
from edge.devices.output import Output
from edge.line.queue import Passage, RejectQueue
from edge.rejector.messages import (
    MAX_BYTES,
    VERSION,
    Actuated,
    Announce,
    Counted,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Ready,
    Report,
    Resolve,
    decode_order,
)
from edge.rejector.realtime import Realtime

_log = getLogger(__name__)

# select() returns this much before the due time and the loop looks again and again until then: at
# SCHED_FIFO waking took 50 to 130 µs on a machine with every core busy. Three such waits per part,
# at 20 parts a second, are 1 % of a core.
_EARLY_S = 150e-6

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_STATION_DEAD = 3


class Rejector:
    """Serves one station over one socket. ``run`` blocks until goodbye or until the station dies.

    The queue's policy holds when the station is dead: announced parts are dealt with as ordered,
    those without verdict as unknown; then the output takes its safe state. A station that says
    nothing for silence_ns (0: for ever) counts as dead, until it has spoken without such a pause
    for as long again: a process that is woken only to be killed says a word or two.
    """

    def __init__(
        self,
        link: socket.socket,
        *,
        output: Output,
        queue: RejectQueue,
        clock: Clock,
        silence_ns: int = 0,
    ) -> None:
        self._link = link
        self._output = output
        self._queue = queue
        self._clock = clock
        self._unreported = 0
        self._goodbye = False
        self._deaf = False  # the station's end is closed: no order will come
        self._silence_ns = silence_ns
        self._heard_ns = clock.now_ns()
        self._silent = False
        self._safe = False  # its parts are gone: the safe state holds while it is silent
        self._back_ns: int | None = None  # since when a silent station speaks again

    def run(self, *, realtime: Realtime, safe_active: bool) -> int:
        """The exit status. Leaves the output inactive after a goodbye, else in its safe state."""
        level_at_end = safe_active
        try:
            self._output.set(False)
            self._link.setblocking(False)
            self._report(Ready(VERSION, realtime.scheduled, realtime.locked))
            status = self._serve(safe_active)
            if status == EXIT_DONE:
                level_at_end = False
            return status
        finally:
            self._output.set(level_at_end)
            self._output.close()

    def _serve(self, safe_active: bool) -> int:
        active = False
        while True:
            step = self._queue.due(self._clock.now_ns())
            next_ns = self._queue.next_ns()
            self._safe = self._silent and (self._safe or next_ns is None) and not self._goodbye
            wanted = step.active or (self._safe and safe_active)
            if wanted != active:
                active = wanted
                self._output.set(active)
            if step.passages:
                at_ns = self._clock.now_ns()
                for passage in step.passages:
                    self._report(_actuated(passage, at_ns))
            if next_ns is None and self._goodbye:
                self._report(Counted(self._queue.counters, self._unreported))
                return EXIT_DONE
            if next_ns is None and self._deaf:
                return EXIT_STATION_DEAD
            if not self._wait(next_ns):
                return EXIT_FAILED

    def _wait(self, next_ns: int | None) -> bool:
        """Take at most one order, until next_ns at most; False when the station is a stranger.

        select() sleeps on a high-resolution timer and takes microseconds (poll and epoll take
        milliseconds), so one call waits for orders and for the due time, and an order that comes
        just before it still counts.
        """
        if self._deaf:
            assert next_ns is not None
            self._clock.sleep_until_ns(next_ns)
            return True
        until_ns = self._until_ns(next_ns)
        left_s = (
            None
            if until_ns is None
            else max(0.0, (until_ns - self._clock.now_ns()) / 1e9 - _EARLY_S)
        )
        if not select.select([self._link], [], [], left_s)[0]:
            self._notice_silence()
            return True
        try:
            packet = self._link.recv(MAX_BYTES)
        except ConnectionError:
            packet = b""
        if packet:
            self._hear(self._clock.now_ns())
            return self._obey(packet)
        self._deaf = True
        if not self._goodbye:
            _log.error("station_dead parts_announced=%s", len(self._queue))
        return True

    def _until_ns(self, next_ns: int | None) -> int | None:
        """When to wake without an order: a part is due, or the station has been silent too long."""
        if not self._silence_ns or self._goodbye or (self._silent and self._back_ns is None):
            return next_ns
        silent_ns = self._heard_ns + self._silence_ns
        return silent_ns if next_ns is None else min(next_ns, silent_ns)

    def _hear(self, now_ns: int) -> None:
        if self._silent:
            if self._back_ns is None or now_ns - self._heard_ns >= self._silence_ns:
                self._back_ns = now_ns
            elif now_ns - self._back_ns >= self._silence_ns:
                self._silent, self._back_ns = False, None
                _log.warning("station_speaks_again")
        self._heard_ns = now_ns

    def _notice_silence(self) -> None:
        if not self._silence_ns or self._goodbye:
            return
        if self._clock.now_ns() >= self._heard_ns + self._silence_ns:
            if not self._silent:
                _log.error("station_silent parts_announced=%s", len(self._queue))
            self._silent, self._back_ns = True, None

    def _obey(self, packet: bytes) -> bool:
        try:
            order = decode_order(packet)
        except ValueError as error:
            _log.error("order_ignored reason=%s", error)
            return True
        if isinstance(order, Resolve):
            self._queue.resolve(order.part_id, order.kick)
        elif isinstance(order, Announce):
            self._queue.announce(order.part_id, order.due_ns, order.kick)
        elif isinstance(order, Ping):
            self._report(Pong())
        elif isinstance(order, Goodbye):
            self._goodbye = True
        elif isinstance(order, Hello) and order.version != VERSION:
            _log.error("wrong_version station=%s rejector=%s", order.version, VERSION)
            return False
        return True

    def _report(self, report: Report) -> None:
        """Never waits for the station: what it does not take is counted."""
        try:
            self._link.send(report.encode())
        except (BlockingIOError, ConnectionError):
            self._unreported += 1


def _actuated(passage: Passage, at_ns: int) -> Actuated:
    width_us = min(passage.width_ns // 1000, 0xFFFFFFFF)
    return Actuated(passage.part_id, passage.due_ns, at_ns, width_us, passage.action, passage.cause)
