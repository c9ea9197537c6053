"""The guard, the lease and the switch of the loop, in one process: a guard on a thread."""

import socket
import threading
import time

import pytest

from edge.clock import MonotonicClock
from edge.devices.output_simulated import SimulatedOutput, pulses
from edge.rejector.guard import Guard
from edge.rejector.lease import AGAIN_NS, MARGIN_NS, Lease
from edge.rejector.messages import PulseBegan, PulseEnded, decode_report
from edge.rejector.pulsing import PulsingOutput

CLOCK = MonotonicClock()
MS = 1_000_000
SLACK_NS = 200 * MS  # for a machine that is busy


class Guarded:
    """A loop's output and its guard; ``end`` lets the guard end."""

    def __init__(self, output: SimulatedOutput, *, safe_active: bool) -> None:
        self.output, self.lease = output, Lease(pulse_ns=1_000 * MS)
        self.pulsing = PulsingOutput(output, clock=CLOCK, lease=self.lease)
        self.loop, self.guards_loop = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.station, self.guards_station = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.station.settimeout(10.0)
        guard = Guard(
            output=output,
            lease=self.lease,
            loop=self.guards_loop,
            station=self.guards_station,
            clock=CLOCK,
            safe_active=safe_active,
        )
        self.thread = threading.Thread(target=guard.run)
        self.thread.start()

    def hear(self):
        return decode_report(self.station.recv(256))

    def end(self) -> None:
        self.loop.close()
        self.thread.join(10.0)
        assert not self.thread.is_alive()

    def close(self) -> None:
        self.end()
        for link in (self.guards_loop, self.station, self.guards_station):
            link.close()
        self.lease.close()


@pytest.fixture
def guarded():
    made = []

    def one(output: SimulatedOutput | None = None, *, safe_active: bool = False) -> Guarded:
        made.append(Guarded(output or SimulatedOutput(clock=CLOCK), safe_active=safe_active))
        return made[-1]

    yield one
    for each in made:
        each.close()


def test_a_pulse_that_the_loop_does_not_end_is_ended_and_reported_to_both(guarded):
    line = guarded()
    until_ns = CLOCK.now_ns() + 20 * MS
    line.pulsing.drive(True, until_ns)
    (began,) = line.pulsing.reports()
    ended = line.hear()
    assert ended == decode_report(line.loop.recv(256))
    assert isinstance(began, PulseBegan)
    assert isinstance(ended, PulseEnded)
    assert (ended.pulse, ended.earliest_ns) == (began.pulse, began.earliest_ns)
    assert ended.since_ns == began.since_ns
    assert until_ns + MARGIN_NS <= ended.end_ns < until_ns + SLACK_NS
    assert [edge.active for edge in line.output.history] == [True, False]


def test_a_pulse_that_the_loop_ends_is_left_alone(guarded):
    line = guarded()
    line.pulsing.drive(True, CLOCK.now_ns() + 10_000 * MS)
    line.pulsing.drive(False)
    assert [type(one) for one in line.pulsing.reports()] == [PulseBegan, PulseEnded]
    line.pulsing.drive(True, CLOCK.now_ns() + 5 * MS)  # the timer of the first is gone
    assert line.hear().pulse == line.lease.pulse
    assert len(pulses(line.output.history)) == 2


def test_a_pulse_that_is_prolonged_ends_at_its_new_end(guarded):
    line = guarded()
    began_ns = CLOCK.now_ns()
    line.pulsing.drive(True, began_ns + 400 * MS)
    line.pulsing.drive(True, began_ns + 450 * MS)
    assert line.hear().end_ns >= began_ns + 450 * MS
    assert len(line.pulsing.reports()) == 1


class HeldUp(SimulatedOutput):
    """An output whose process is stopped in the call that makes it active."""

    held_s = 0.0

    def set(self, active: bool) -> None:
        if active:
            time.sleep(self.held_s)
        super().set(active)


def test_a_switch_that_was_held_up_until_the_pulse_was_over_lasts_no_longer_than_a_look(guarded):
    output = HeldUp(clock=CLOCK)
    output.held_s = 0.05
    line = guarded(output)
    until_ns = CLOCK.now_ns() + 5 * MS
    line.pulsing.drive(True, until_ns)
    (began, ended) = line.pulsing.reports()
    assert began.since_ns > until_ns
    assert began.earliest_ns > until_ns  # the guard has seen that it was inactive until here
    (pulse,) = pulses(output.history)
    assert began.earliest_ns <= pulse.at_ns <= began.since_ns
    assert pulse.at_ns + pulse.width_us * 1_000 <= ended.end_ns
    assert ended.end_ns - pulse.at_ns < AGAIN_NS + SLACK_NS


@pytest.mark.parametrize("safe_active", [False, True])
def test_the_pulse_of_a_dead_loop_ends_on_time_whatever_is_safe(guarded, safe_active):
    line = guarded(safe_active=safe_active)
    until_ns = CLOCK.now_ns() + 50 * MS
    line.pulsing.drive(True, until_ns)
    line.end()
    assert until_ns <= line.hear().end_ns < until_ns + SLACK_NS
    levels = [edge.active for edge in line.output.history]
    assert levels == [True, False]


def test_an_output_that_is_active_without_an_end_becomes_safe_at_once(guarded):
    line = guarded()
    line.pulsing.drive(True, None)
    line.end()
    assert [edge.active for edge in line.output.history] == [True, False]
    assert isinstance(line.hear(), PulseEnded)


def test_a_loop_that_ended_in_order_leaves_the_level_as_it_is(guarded):
    line = guarded(safe_active=False)
    line.pulsing.drive(True, None)
    line.lease.end()
    line.end()
    assert [edge.active for edge in line.output.history] == [True]


def test_an_end_that_the_loop_has_switched_and_not_sent_is_sent(guarded):
    line = guarded()
    line.pulsing.drive(True, CLOCK.now_ns() + 20 * MS)
    line.output.set(False)  # and then it is stopped
    assert line.hear().pulse == line.lease.pulse
    assert len(line.output.history) == 2
