"""The contract of all encoders. A real one joins by a line in ENCODERS, with its shaft's drive."""

import select
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from edge.clock import MonotonicClock
from edge.devices.encoder import Encoder, EncoderPosition
from edge.errors import DeviceError
from edge.sim.encoder import SimulatedEncoder
from edge.sim.motion import ManualMotion
from tests.devices.encoders import fake_gpio_encoder, sim_gpio_encoder

CLOCK = MonotonicClock()


@dataclass
class Rig:
    """An encoder and the hand at its shaft.

    turn: move by so many counts, forward if positive, one edge after the other; returns when all
    have happened. single: one channel, whose count only grows.
    """

    encoder: Encoder
    turn: Callable[[int], None]
    single: bool = False

    def read(self, changes: int) -> list[EncoderPosition]:
        """Read until there are so many changes: a kernel may hand them over late."""
        found: list[EncoderPosition] = []
        limit = time.monotonic() + 60
        while len(found) < changes and time.monotonic() < limit:
            found += self.encoder.read()
        assert len(found) == changes
        return found


def _simulated(channels: str, survives: bool) -> Rig:
    motion = ManualMotion()
    motion.turn(7, at_ns=CLOCK.now_ns())  # it had moved before it was opened

    def turn(counts: int) -> None:
        CLOCK.sleep_until_ns(motion.turn(counts, at_ns=CLOCK.now_ns() + 1_000))

    time.sleep(0.001)
    encoder = SimulatedEncoder(motion, clock=CLOCK, channels=channels, survives=survives)
    return Rig(encoder, turn, channels == "single")


def _gpio(single: bool) -> Rig:
    encoder, shaft, _ = fake_gpio_encoder(single=single)
    return Rig(encoder, shaft.turn, single)


def _gpio_sim(single: bool) -> Rig:
    """Its chip goes with the encoder."""
    encoder, shaft, chip = sim_gpio_encoder(single=single)
    close = encoder.close

    def both() -> None:
        close()
        if chip.home.is_dir():
            chip.close()

    encoder.close = both  # type: ignore[method-assign]
    return Rig(encoder, shaft.turn, single)


ENCODERS: dict[str, Callable[[], Rig]] = {
    "gpio": lambda: _gpio(False),
    "gpio, single": lambda: _gpio(True),
    "gpio-sim": lambda: _gpio_sim(False),
    "gpio-sim, single": lambda: _gpio_sim(True),
    "simulated": lambda: _simulated("quadrature", False),
    "simulated, survives": lambda: _simulated("quadrature", True),
    "simulated, single": lambda: _simulated("single", False),
}


@pytest.fixture(params=ENCODERS)
def rig(request):
    made = ENCODERS[request.param]()
    yield made
    made.encoder.close()


def test_the_first_read_says_where_it_stood_when_it_was_opened(rig):
    opened_by_ns = CLOCK.now_ns()
    (first,) = rig.encoder.read()
    assert first.at_ns <= opened_by_ns
    assert not first.gap
    assert rig.encoder.read() == type(rig.encoder.read())()


def test_every_count_is_one_position_with_the_moment_of_its_edge(rig):
    (start,) = rig.read(1)
    before_ns = CLOCK.now_ns()
    rig.turn(5)
    after_ns = CLOCK.now_ns()
    time.sleep(0.01)  # read late: the stamps are those of the edges
    found = rig.read(5)
    assert [one.count - start.count for one in found] == [1, 2, 3, 4, 5]
    stamps = [one.at_ns for one in found]
    assert stamps == sorted(stamps)
    assert before_ns <= stamps[0]
    assert stamps[-1] <= after_ns
    assert not any(one.gap for one in found)
    assert list(rig.encoder.read()) == []


def test_a_belt_that_backs_up_counts_down_and_a_single_channel_cannot_know(rig):
    (start,) = rig.read(1)
    rig.turn(3)
    rig.turn(-4)
    rig.turn(2)
    counts = [one.count - start.count for one in rig.read(9)]
    down = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert counts == (down if rig.single else [1, 2, 3, 2, 1, 0, -1, 0, 1])


def test_the_origin_stays_the_same(rig):
    origin = rig.encoder.origin
    assert 0 <= origin < 2**63
    rig.turn(3)
    rig.read(4)
    assert rig.encoder.origin == origin


def test_a_descriptor_is_readable_while_there_is_something_to_read(rig):
    fd = rig.encoder.fileno()
    if fd is None:
        return  # it is polled
    rig.read(1)
    assert select.select([fd], [], [], 0)[0] == []
    rig.turn(1)
    assert select.select([fd], [], [], 5.0)[0] == [fd]
    rig.read(1)
    assert select.select([fd], [], [], 0)[0] == []


def test_close_twice_then_read_is_a_device_error(rig):
    rig.encoder.close()
    rig.encoder.close()
    with pytest.raises(DeviceError, match="after close"):
        rig.encoder.read()


def test_a_count_that_survives_goes_on_and_another_one_has_a_new_origin():
    motion = ManualMotion()
    motion.turn(5, at_ns=1)
    first = SimulatedEncoder(motion, clock=CLOCK)
    fresh = SimulatedEncoder(motion, clock=CLOCK, survives=False)
    motion.turn(4, at_ns=CLOCK.now_ns())
    time.sleep(0.001)
    again = SimulatedEncoder(motion, clock=CLOCK)
    newer = SimulatedEncoder(motion, clock=CLOCK, survives=False)
    assert first.origin == again.origin
    assert [one.read()[0].count for one in (first, again)] == [5, 9]
    assert newer.origin > fresh.origin > 0
    assert [one.read()[0].count for one in (fresh, newer)] == [0, 0]


def test_lost_edges_are_a_gap_in_the_next_position():
    motion = ManualMotion()
    encoder = SimulatedEncoder(motion, clock=CLOCK)
    encoder.read()
    encoder.lose(2)
    motion.turn(4, at_ns=CLOCK.now_ns())
    time.sleep(0.001)
    assert [(one.count, one.gap) for one in encoder.read()] == [(3, True), (4, False)]


def test_a_single_channel_cannot_survive_its_process():
    with pytest.raises(DeviceError, match="single channel"):
        SimulatedEncoder(ManualMotion(), clock=CLOCK, channels="single")
