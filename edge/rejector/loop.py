"""The loop of the rejector: it reads orders and sets the output at the moments that are due."""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Sequence
from logging import getLogger

from edge.clock import Clock
from edge.devices.encoder import Encoder, EncoderPosition
from edge.devices.trigger import EndOfParts, Trigger
from edge.errors import DeviceError
from edge.line.outcome import PartOutcome
from edge.line.tracker import BeltTracker
from edge.rejector.messages import (
    MAX_BYTES,
    NO_ENCODER,
    VERSION,
    Actuated,
    Announce,
    Clear,
    Counted,
    Goodbye,
    Hello,
    Known,
    Lose,
    Order,
    Ping,
    Placed,
    Pong,
    PulseBegan,
    PulseEnded,
    Ready,
    Report,
    Resolve,
    Restore,
    Sighted,
    decode_order,
)
from edge.rejector.pulsing import PulsingOutput
from edge.rejector.realtime import Realtime
from edge.rejector.silence import SilenceTimer

_log = getLogger(__name__)

# select() returns this long before the due time, and the loop polls until then. With SCHED_FIFO,
# waking took 50 to 130 µs on a machine with every core busy. Three such waits for each part, at 20
# parts a second, are 1 % of a core.
_EARLY_S = 150e-6

# The interval at which an encoder or an eye is read. The kernel stores 16 edges of a line by
# default, and 1,024 at most with gpiod: 0.1 s at 10,000 counts a second.
_POLL_NS = 2_000_000
# The same for an encoder without a descriptor while a part may be due before the next look.
_NEAR_POLL_NS = 200_000
# After a Goodbye or an exit of the station, the next station needs the output. Parts are given up
# on a belt that stands for STANDING_NS, and on any belt after DRAIN_NS.
STANDING_NS = 1_000_000_000
DRAIN_NS = 30_000_000_000

_EDGES = 64  # stored while the station does not read

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_STATION_CLOSED = 3


class RejectorLoop:
    """Serves one station over one socket. ``run`` blocks until Goodbye or the station's exit.

    When the station has exited, announced parts are still ejected or passed as ordered, and those
    without a verdict as unknown. Then the output takes its safe state. With an encoder, the belt
    must run for that. If it stands for 1 s, or does not bring all parts within 30 s, the parts are
    reported with REJECTOR_DOWN. If the encoder fails, all parts become unknown.

    A station that sends nothing for silence_ns counts as silent (edge/rejector/silence.py). No part
    is given up for that.
    """

    def __init__(
        self,
        link: socket.socket,
        *,
        output: PulsingOutput,
        tracker: BeltTracker,
        clock: Clock,
        encoder: Encoder | None = None,
        eye: Trigger | None = None,
        max_counts_per_s: int = 0,
        silence_ns: int = 0,
    ) -> None:
        self._link = link
        self._output = output
        self._tracker = tracker
        self._clock = clock
        self._encoder = encoder
        self._eye = eye
        self._near_counts = 1 + max_counts_per_s * _POLL_NS // 1_000_000_000
        self._unreported = 0
        self._edges: deque[PulseBegan | PulseEnded] = deque()
        self._goodbye = False
        self._closed = False  # the station's end is closed: no order will arrive
        self._ends_ns: int | None = (
            None  # the time at which parts are given up, after the last order
        )
        self._moved_ns = clock.now_ns()
        self._losses = 0
        self._silence = SilenceTimer(silence_ns, clock.now_ns())
        self._safe = False  # the station is silent and no part waits: the safe state holds

    def run(self, *, realtime: Realtime, safe_active: bool) -> int:
        """Serve the station and return the exit status. Blocks.

        Leaves the output inactive after a Goodbye, else in its safe state.
        """
        level_at_end = safe_active
        try:
            self._output.start()
            self._link.setblocking(False)
            origin = NO_ENCODER if self._encoder is None else self._encoder.origin
            self._report(Ready(VERSION, realtime.scheduled, realtime.locked, origin))
            status = self._serve(safe_active)
            if status == EXIT_DONE:
                level_at_end = False
            return status
        finally:
            self._output.close(level_at_end)
            self._report_edges()
            for device in (self._encoder, self._eye):
                if device is not None:
                    device.close()

    def _serve(self, safe_active: bool) -> int:
        while True:
            self._read_inputs()
            step = self._tracker.due(self._clock.now_ns())
            next_ns = self._tracker.next_ns()
            self._output.update(next_ns)
            nothing_waits = next_ns is None and not len(self._tracker)
            self._safe = (
                self._silence.silent and (self._safe or nothing_waits) and not self._goodbye
            )
            safe = self._safe and safe_active
            self._output.drive(step.active or safe, None if safe else step.until_ns)
            self._report_edges()
            if step.outcomes:
                at_ns = self._clock.now_ns()
                for outcome in step.outcomes:
                    self._report(_actuated(outcome, at_ns))
            if next_ns is None and (self._goodbye or self._closed) and self._is_drained():
                if self._closed and not self._goodbye:
                    return EXIT_STATION_CLOSED
                self._output.drive(False)
                self._report_edges()
                self._report(Counted(self._tracker.queue.counters, self._unreported))
                return EXIT_DONE
            if not self._wait(next_ns):
                return EXIT_FAILED

    def _is_drained(self) -> bool:
        """Return whether no part waits. Give up parts that wait for a belt that stands."""
        if not len(self._tracker):
            return True
        now_ns = self._clock.now_ns()
        if self._ends_ns is None:
            self._ends_ns = now_ns + DRAIN_NS
            self._moved_ns = now_ns
        if now_ns >= self._ends_ns or now_ns - self._moved_ns >= STANDING_NS:
            _log.error("parts_given_up count=%s", len(self._tracker))
            self._tracker.queue.abandon(now_ns)
        return False

    def _read_inputs(self) -> None:
        """Read the encoder and the ejector eye."""
        # The eye first, so that the counts at the moments of its edges are known.
        arrivals = [] if self._eye is None else self._read_eye(self._eye)
        positions = [] if self._encoder is None else self._read_encoder(self._encoder)
        self._tracker.moved(positions, arrivals)
        losses = self._tracker.queue.counters.position_losses
        if losses != self._losses:
            self._losses = losses
            _log.error("places_lost times=%s: the parts on the belt are unknown", losses)

    def _read_encoder(self, encoder: Encoder) -> Sequence[EncoderPosition]:
        try:
            positions = encoder.read()
        except DeviceError as error:
            _log.error("encoder_failed reason=%s", error)
            self._encoder = None
            encoder.close()
            self._tracker.fail(self._clock.now_ns())
            return ()
        if positions:
            self._moved_ns = positions[-1].at_ns
        return positions

    def _read_eye(self, eye: Trigger) -> list[int]:
        edges = []
        try:
            while (edge := eye.wait(0.0)) is not None:
                edges.append(edge.at_ns)
        except EndOfParts:
            self._eye = None
        except DeviceError as error:
            _log.error("ejector_eye_failed reason=%s", error)
            self._eye = None
            eye.close()
            self._tracker.queue.ignore_eye()
        return edges

    def _wait(self, next_ns: int | None) -> bool:
        """Wait until next_ns at most, and process at most one order.

        Return False if the station has another protocol version. select() accepts a timeout in
        microseconds; poll and epoll accept milliseconds. One call waits for orders, for the due
        time and, while a part is near, for the encoder's next edge. An order that arrives just
        before the due time still counts.
        """
        now_ns = self._clock.now_ns()
        listening = not (self._goodbye or self._closed)
        silent_ns = self._silence.next_ns() if listening else None
        wakes = (next_ns, silent_ns, self._output.wake_ns)
        until_ns = min((some for some in wakes if some is not None), default=None)
        left_s = None if until_ns is None else max(0.0, (until_ns - now_ns) / 1e9 - _EARLY_S)
        waited: list[socket.socket | int] = [] if self._closed else [self._link]
        if (guard_fd := self._output.guard_fd) is not None:
            waited.append(guard_fd)
        if self._encoder is not None or self._eye is not None:
            poll_s = _POLL_NS / 1e9
            counts = self._tracker.counts_left
            if self._encoder is not None and counts is not None and counts <= self._near_counts:
                fd = self._encoder.fileno()
                if fd is None:
                    poll_s = _NEAR_POLL_NS / 1e9
                else:
                    waited.append(fd)
            left_s = poll_s if left_s is None else min(left_s, poll_s)
        readable = select.select(waited, [], [], left_s)[0]
        if guard_fd is not None and guard_fd in readable:
            self._output.mark_readable()
        if self._link not in readable:
            if listening and self._silence.check(self._clock.now_ns()):
                _log.error("station_silent parts_announced=%s", len(self._tracker))
            return True
        try:
            packet = self._link.recv(MAX_BYTES)
        except ConnectionError:
            packet = b""
        if packet:
            if self._silence.record_message(self._clock.now_ns()):
                _log.warning("station_answers_again")
            return self._execute(packet)
        self._closed = True
        if not self._goodbye:
            _log.error("station_exited parts_announced=%s", len(self._tracker))
        return True

    def _execute(self, packet: bytes) -> bool:
        try:
            order = decode_order(packet)
        except ValueError as error:
            _log.error("order_ignored reason=%s", error)
            return True
        if isinstance(order, Resolve):
            self._tracker.resolve(order.part_id, order.eject)
        elif isinstance(order, Announce):
            self._tracker.announce(order.part_id, order.due_ns, order.eject)
        elif isinstance(order, Clear):
            self._tracker.queue.lose(self._clock.now_ns(), order.until_ns)
        elif isinstance(order, Ping):
            self._report(Pong())
        elif isinstance(order, Goodbye):
            self._goodbye = True
            self._tracker.queue.stop_clearing()
        elif isinstance(order, Hello):
            if order.version != VERSION:
                _log.error("wrong_version station=%s rejector=%s", order.version, VERSION)
                return False
        else:
            self._execute_by_counts(order)
        return True

    def _execute_by_counts(self, order: Order) -> None:
        """Execute an order about places on the belt, with the belt's position read first."""
        self._read_inputs()
        now_ns = self._clock.now_ns()
        if isinstance(order, Sighted):
            place = self._tracker.sighted(order.part_id, order.seen_ns, now_ns, order.eject)
            if place is not None:
                self._report(Placed(order.part_id, place))
        elif isinstance(order, Restore):
            self._tracker.restore(order.part_id, order.place, now_ns, order.eject)
        elif isinstance(order, Known):
            self._tracker.known(order.part_id, order.place)
        elif isinstance(order, Lose):
            self._tracker.lose(now_ns)

    def _report(self, report: Report) -> None:
        """Send a report without waiting. Count it if the station's socket is full."""
        if self._edges:
            self._report_edges()
        self._unreported += not self._send(report)

    def _report_edges(self) -> None:
        """Send the edges of the output, before the reports on the parts that they concern.

        Edges that the socket does not take are sent again later, at most the last 64.
        """
        self._edges.extend(self._output.reports())
        while self._edges and self._send(self._edges[0]):
            self._edges.popleft()
        while len(self._edges) > _EDGES:
            self._edges.popleft()
            self._unreported += 1

    def _send(self, report: Report) -> bool:
        try:
            self._link.send(report.encode())
        except (BlockingIOError, ConnectionError):
            return False
        return True


def _actuated(outcome: PartOutcome, at_ns: int) -> Actuated:
    width_us = min(outcome.width_ns // 1000, 0xFFFFFFFF)
    return Actuated(outcome.part_id, outcome.due_ns, at_ns, width_us, outcome.action, outcome.cause)
