"""The contract of all outputs. A real one joins by a line in OUTPUTS."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from edge.clock import MonotonicClock
from edge.devices.gpio import GpioLine
from edge.devices.output import Output, OutputEdge, Pulse
from edge.devices.output_gpio import GpioOutput
from edge.devices.output_simulated import SimulatedOutput, pulses, read_record
from edge.errors import DeviceError
from tests.devices import board
from tests.devices.clocks import FakeClock
from tests.devices.gpio_sim import SimChip
from tests.devices.triggers import fake_kernel

CLOCK = MonotonicClock()
# An output, and how a test sees which levels its line took since the claim.
Line = tuple[Output, Callable[[], list[bool]]]


def _simulated(_: pytest.FixtureRequest) -> Iterator[Line]:
    output = SimulatedOutput(clock=CLOCK)
    yield output, lambda: [edge.active for edge in output.history]


def _gpio(active_low: bool) -> Callable[[pytest.FixtureRequest], Iterator[Line]]:
    def make(request: pytest.FixtureRequest) -> Iterator[Line]:
        kernel = fake_kernel(request, FakeClock())
        (path,) = kernel.chips
        line = kernel.line(path, 2)
        line.high = active_low  # the pull resistor holds the line inactive
        output = GpioOutput(GpioLine(path, 2, active_low))
        yield output, lambda: [high != active_low for high in line.history]

    return make


@dataclass
class Sampled:
    """An output whose wire is looked at after every call: a level that comes and goes in between
    is not seen."""

    output: Output
    active: Callable[[], bool]

    def __post_init__(self) -> None:
        self.levels = [False]
        self.look()

    def look(self) -> None:
        if (active := self.active()) != self.levels[-1]:
            self.levels.append(active)

    def set(self, active: bool) -> None:
        self.output.set(active)
        self.look()

    def is_active(self) -> bool:
        return self.output.is_active()

    def close(self) -> None:
        self.output.close()


def _gpio_sim(active_low: bool) -> Callable[[pytest.FixtureRequest], Iterator[Line]]:
    def make(_: pytest.FixtureRequest) -> Iterator[Line]:
        chip = SimChip()
        chip.pull(2, active_low)
        output = GpioOutput(GpioLine(chip.label, 2, active_low))
        sampled = Sampled(output, lambda: chip.high(2) != active_low)
        yield sampled, lambda: sampled.levels[1:]
        output.close()
        chip.close()

    return make


OUTPUTS: dict[str, Callable[[pytest.FixtureRequest], Iterator[Line]]] = {
    "simulated": _simulated,
    "gpio": _gpio(False),
    "gpio-active-low": _gpio(True),
    "gpio-sim": _gpio_sim(False),
    "gpio-sim-active-low": _gpio_sim(True),
    **board.outputs(),
}


@pytest.fixture(params=OUTPUTS)
def line(request):
    for output, levels in OUTPUTS[request.param](request):
        yield output, levels
        output.close()


def test_the_claim_makes_no_edge(line):
    _, levels = line
    assert levels() == []


def test_inactive_after_the_claim_is_no_edge_either(line):
    output, levels = line
    output.set(False)
    assert levels() == []


def test_every_change_is_one_edge(line):
    output, levels = line
    for active in (True, True, False, False, True):
        output.set(active)
    assert levels() == [True, False, True]


def test_the_level_is_read_back(line):
    output, _ = line
    found = [output.is_active()]
    for active in (True, True, False):
        output.set(active)
        found.append(output.is_active())
    assert found == [False, True, True, False]
    output.close()
    with pytest.raises(DeviceError, match="after close"):
        output.is_active()


def test_close_keeps_the_level_and_a_set_afterwards_is_refused(line):
    output, levels = line
    output.set(True)
    output.close()
    output.close()
    assert levels() == [True]
    with pytest.raises(DeviceError, match="after close"):
        output.set(False)


def test_the_simulated_output_stamps_and_records_every_edge(tmp_path):
    output = SimulatedOutput(clock=CLOCK, record=tmp_path / "edges")
    before_ns = CLOCK.now_ns()
    output.set(True)
    output.set(False)
    stamps = [edge.at_ns for edge in output.history]
    assert stamps == sorted(stamps)
    assert before_ns <= stamps[0] <= stamps[1] <= CLOCK.now_ns()
    assert read_record(tmp_path / "edges") == output.history
    output.close()


def test_a_forked_process_sets_the_same_simulated_line(tmp_path):
    output = SimulatedOutput(clock=CLOCK, record=tmp_path / "edges")
    output.set(True)
    child = os.fork()
    if child == 0:
        output.set(False)
        os._exit(0)
    os.waitpid(child, 0)
    assert not output.is_active()
    assert [edge.active for edge in read_record(tmp_path / "edges")] == [True, False]
    output.close()


def test_pulses_of_a_history():
    edges = [OutputEdge(True, 1_000), OutputEdge(False, 21_000), OutputEdge(True, 50_000)]
    assert pulses(edges) == [Pulse(at_ns=1_000, width_us=20)]
    assert pulses([*edges, OutputEdge(False, 90_000)])[1] == Pulse(at_ns=50_000, width_us=40)


def test_a_pulse_cut_off_by_a_crash_has_a_beginning_and_no_width():
    edges = [OutputEdge(True, 1_000), OutputEdge(True, 50_000), OutputEdge(False, 60_000)]
    assert pulses(edges) == [Pulse(at_ns=1_000, width_us=0), Pulse(at_ns=50_000, width_us=10)]
