"""The rejector's loop with an encoder that has a descriptor, and with devices that fail."""

import os
import socket
import threading
from collections.abc import Callable

import pytest

from edge.clock import MonotonicClock
from edge.devices.encoder import EncoderPosition
from edge.devices.output_simulated import SimulatedOutput
from edge.devices.trigger import TriggerEdge
from edge.errors import DeviceError
from edge.line.outcome import Action, Cause
from edge.line.queue import RejectQueue
from edge.line.tracker import BeltTracker, CountRules, EyeRules
from edge.rejector.lease import Lease
from edge.rejector.loop import EXIT_DONE, RejectorLoop
from edge.rejector.messages import (
    Actuated,
    Counted,
    Goodbye,
    Hello,
    Placed,
    PulseBegan,
    PulseEnded,
    Ready,
    Resolve,
    Sighted,
    decode_report,
)
from edge.rejector.pulsing import PulsingOutput
from edge.rejector.realtime import Realtime

CLOCK = MonotonicClock()
MS = 1_000_000


class HandEncoder:
    """A hand turns it; readable while it has something, as gpiod's line requests are."""

    def __init__(self) -> None:
        self.origin, self.closed, self.fails = 5, False, False
        self._count, self._waiting = 0, [EncoderPosition(0, CLOCK.now_ns())]
        self._reader, self._writer = os.pipe()
        self._lock = threading.Lock()
        os.write(self._writer, b".")

    def turn(self, counts: int) -> int:
        """The stamp of the last count."""
        with self._lock:
            for _ in range(counts):
                self._count += 1
                self._waiting.append(EncoderPosition(self._count, CLOCK.now_ns()))
            os.write(self._writer, b".")
            return self._waiting[-1].at_ns

    def read(self) -> list[EncoderPosition]:
        if self.fails:
            raise DeviceError("encoder: unplugged, scripted")
        with self._lock:
            found, self._waiting = self._waiting, []
            if found:
                os.read(self._reader, 1_000)
            return found

    def fileno(self) -> int:
        return self._reader

    def close(self) -> None:
        if not self.closed:
            os.close(self._reader)
            os.close(self._writer)
        self.closed = True


class HandEye:
    """An eye before the ejector that a hand covers."""

    def __init__(self) -> None:
        self.edges: list[int] = []
        self.fails, self.closed = False, False

    def wait(self, timeout_s: float) -> TriggerEdge | None:
        if self.fails:
            raise DeviceError("eye: unplugged, scripted")
        if not self.edges:
            return None
        edge = TriggerEdge(1, self.edges[-1])
        self.edges.clear()
        return edge

    def close(self) -> None:
        self.closed = True


class House:
    """A rejector on a thread, its station being the test."""

    def __init__(self, *, eye: HandEye | None = None) -> None:
        self.encoder, self.eye = HandEncoder(), eye
        self.output = SimulatedOutput(clock=CLOCK)
        self.station, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.station.settimeout(10.0)
        queue = RejectQueue(
            pulse_ns=30 * MS,
            eject_unknown=True,
            by_counts=True,
            confirm=eye is not None,
            eject_absent=False,
        )
        rules = None if eye is None else EyeRules(20, 5)
        rejector = RejectorLoop(
            theirs,
            output=PulsingOutput(self.output, clock=CLOCK, lease=Lease(pulse_ns=1_000 * MS)),
            tracker=BeltTracker(queue, counts=CountRules(100), eye=rules),
            clock=CLOCK,
            encoder=self.encoder,
            eye=eye,
            max_counts_per_s=1_000,
        )
        self.status: list[int] = []

        def run() -> None:
            status = rejector.run(realtime=Realtime(False, False), safe_active=False)
            self.status.append(status)
            theirs.close()

        self.thread = threading.Thread(target=run)
        self.thread.start()
        assert self.hear() == Ready(3, False, False, 5)
        self.say(Hello(3))

    def say(self, order) -> None:
        self.station.send(order.encode())

    def hear(self):
        """The next report that is not about an edge."""
        while isinstance(report := decode_report(self.station.recv(256)), PulseBegan | PulseEnded):
            pass
        return report

    def end(self) -> Counted:
        self.say(Goodbye())
        while not isinstance(counted := self.hear(), Counted):
            pass
        self.thread.join(10.0)
        assert self.status == [EXIT_DONE]
        assert self.encoder.closed
        return counted


@pytest.fixture
def house():
    made = []

    def one(**given) -> House:
        made.append(House(**given))
        return made[-1]

    yield one
    for each in made:
        each.station.close()
        each.thread.join(10.0)
        each.encoder.close()


def test_the_edge_that_reaches_the_place_starts_the_pulse(house: Callable[..., House]):
    line = house()
    line.say(Sighted(1, CLOCK.now_ns(), True))
    assert line.hear() == Placed(1, 100)
    line.encoder.turn(99)
    line.say(Sighted(2, CLOCK.now_ns(), False))
    assert line.hear() == Placed(2, 199)
    assert line.output.history == []
    reached_ns = line.encoder.turn(1)
    report = line.hear()
    assert isinstance(report, Actuated)
    assert (report.part_id, report.due_ns) == (1, reached_ns)
    assert (report.action, report.cause) == (Action.EJECTED, Cause.VERDICT)
    line.encoder.turn(99)
    assert line.end().queue.passed == 1
    assert [edge.active for edge in line.output.history] == [True, False]


def test_an_encoder_that_fails_makes_everything_unknown(house: Callable[..., House]):
    line = house()
    line.say(Sighted(1, CLOCK.now_ns(), False))
    assert line.hear() == Placed(1, 100)
    line.encoder.fails = True
    lost = line.hear()
    assert (lost.part_id, lost.action, lost.cause) == (1, Action.EJECTED, Cause.POSITION_LOST)
    line.say(Sighted(2, CLOCK.now_ns()))
    assert line.hear().cause is Cause.POSITION_LOST
    assert line.output.history[-1].active
    assert line.end().queue.position_losses == 1
    assert not line.output.history[-1].active


def test_an_eye_that_fails_is_no_longer_asked(house: Callable[..., House]):
    eye = HandEye()
    line = house(eye=eye)
    eye.fails = True
    line.say(Sighted(1, CLOCK.now_ns(), True))
    assert line.hear() == Placed(1, 100)
    while not eye.closed:
        line.say(Resolve(9, True))
    line.encoder.turn(100)
    report = line.hear()
    assert (report.action, report.cause) == (Action.EJECTED, Cause.VERDICT)


def test_what_the_eye_sees_is_placed_by_the_count_of_its_edge(house: Callable[..., House]):
    eye = HandEye()
    line = house(eye=eye)
    line.say(Sighted(1, CLOCK.now_ns(), True))
    assert line.hear() == Placed(1, 100)
    eye.edges.append(line.encoder.turn(82))  # two counts late: it slid
    while eye.edges:
        line.say(Resolve(9, True))
    reached_ns = line.encoder.turn(20)
    report = line.hear()
    assert (report.part_id, report.due_ns) == (1, reached_ns)
    assert (report.action, report.cause) == (Action.EJECTED, Cause.VERDICT)
    assert line.end().queue.absent == 0
