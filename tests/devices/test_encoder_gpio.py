"""An encoder at GPIO lines: what it counts, and how it reports lost edges.

The contract of all encoders is in test_encoder_contract.py.
"""

from itertools import pairwise

import pytest
from gpiod.line import Bias, Edge

from edge.clock import MonotonicClock
from edge.devices.encoder_gpio import GpioEncoder
from edge.devices.gpio import GpioLine
from edge.errors import ConfigError, DeviceError
from tests.devices.clocks import FakeClock
from tests.devices.encoders import fake_gpio_encoder, sim_gpio_encoder
from tests.devices.triggers import fake_kernel


def counts(encoder: GpioEncoder) -> list[tuple[int, bool]]:
    return [(one.count, one.gap) for one in encoder.read()]


@pytest.mark.parametrize("make", [fake_gpio_encoder, sim_gpio_encoder])
@pytest.mark.parametrize("single", [False, True])
def test_a_turn_there_and_back(make, single):
    encoder, shaft, machine = make(single=single)
    try:
        assert counts(encoder) == [(0, False)]
        shaft.turn(5)
        shaft.turn(-7)
        if single:
            assert counts(encoder) == [(n, False) for n in range(1, 13)]
        else:
            wanted = [1, 2, 3, 4, 5, 4, 3, 2, 1, 0, -1, -2]
            assert counts(encoder) == [(n, False) for n in wanted]
    finally:
        encoder.close()
        if hasattr(machine, "close"):
            machine.close()


def test_more_edges_than_are_read_at_once():
    encoder, shaft, _ = fake_gpio_encoder()
    shaft.turn(1000)
    assert [one.count for one in encoder.read()] == list(range(1001))


def test_both_channels_see_both_edges_and_one_channel_the_rising_ones(request):
    kernel = fake_kernel(request, FakeClock())
    (path,) = kernel.chips
    clock = MonotonicClock()
    both = GpioEncoder(GpioLine(path, 0), GpioLine(path, 1, True), clock=clock, bias="pull-up")
    settings = [kernel.line(path, n).settings for n in (0, 1)]
    assert [one.edge_detection for one in settings] == [Edge.BOTH, Edge.BOTH]
    assert [one.active_low for one in settings] == [False, True]
    assert {one.bias for one in settings} == {Bias.PULL_UP}
    GpioEncoder(GpioLine(path, 2), clock=clock)
    assert kernel.line(path, 2).settings.edge_detection is Edge.RISING
    both.close()
    assert kernel.line(path, 0).settings is None


def test_a_shaft_that_stands_anywhere_at_the_claim_is_zero(request):
    kernel = fake_kernel(request, FakeClock())
    (path,) = kernel.chips
    kernel.line(path, 0).high = kernel.line(path, 1).high = True
    encoder = GpioEncoder(GpioLine(path, 0), GpioLine(path, 1), clock=MonotonicClock())
    kernel.press(path, 0, False)  # 11 → 01 is forward
    kernel.press(path, 1, False)
    assert counts(encoder) == [(0, False), (1, False), (2, False)]


def test_lost_edges_of_two_channels_are_gaps_until_each_has_reported_its_level(caplog):
    encoder, shaft, kernel = fake_gpio_encoder()
    encoder.read()
    shaft.turn(2)
    ((_, lines),) = kernel.chips.values()
    lost = lines[0].events.popleft()  # a rose, and no event reports it
    assert lost.line_seqno == 1
    shaft.turn(4)
    found = encoder.read()
    assert [one.gap for one in found] == [True, True, False, False, False]
    steps = [after.count - before.count for before, after in pairwise(found[2:])]
    assert steps == [1, 1]
    assert [record.message.split(" on=")[0] for record in caplog.records] == ["edges_lost count=1"]


def test_lost_edges_of_one_channel_are_added(caplog):
    encoder, shaft, kernel = fake_gpio_encoder(single=True)
    encoder.read()
    shaft.turn(5)
    ((_, lines),) = kernel.chips.values()
    for _ in range(3):
        lines[0].events.popleft()
    assert counts(encoder) == [(4, False), (5, False)]
    assert [record.message.split(" on=")[0] for record in caplog.records] == ["edges_lost count=3"]


def test_an_edge_between_the_claim_and_the_first_look_is_a_gap_and_no_wrong_count():
    encoder, shaft, _ = fake_gpio_encoder()
    encoder._high[encoder._a] = True  # as it was seen, after the edge that is still to be read
    shaft.turn(3)
    assert counts(encoder)[1:] == [(1, True), (2, True), (3, False)]


def test_stamps_never_go_backwards_though_two_interrupts_may_race():
    encoder, shaft, kernel = fake_gpio_encoder()
    stamps = iter([2_000, 1_500, 3_000])
    kernel.now_ns = lambda: encoder._opened_ns + next(stamps)
    shaft.turn(3)
    found = [one.at_ns - encoder._opened_ns for one in encoder.read()]
    assert found == [0, 2_000, 2_000, 3_000]


def test_two_chips_are_refused_and_a_chip_that_goes_away_is_a_device_error():
    with pytest.raises(ConfigError, match="both channels must be on one chip"):
        GpioEncoder(GpioLine("a", 1), GpioLine("b", 1), clock=MonotonicClock())
    encoder, _, kernel = fake_gpio_encoder()
    ((_, lines),) = kernel.chips.values()
    lines[1].gone = True
    with pytest.raises(DeviceError, match="gpio: line A of fake-chip: no such device"):
        encoder.read()
