"""What every output must do. A real one joins by a line in OUTPUTS."""

from collections.abc import Callable

import pytest

from edge.clock import MonotonicClock
from edge.devices.output import Output, OutputEdge, Pulse
from edge.devices.output_simulated import SimulatedOutput, pulses, read_record
from edge.errors import DeviceError

CLOCK = MonotonicClock()


def _simulated() -> tuple[Output, Callable[[], list[bool]]]:
    output = SimulatedOutput(clock=CLOCK)
    return output, lambda: [edge.active for edge in output.history]


# An implementation and how a test sees which levels its line took since the claim.
OUTPUTS: dict[str, Callable[[], tuple[Output, Callable[[], list[bool]]]]] = {
    "simulated": _simulated,
}


@pytest.fixture(params=OUTPUTS)
def line(request):
    output, levels = OUTPUTS[request.param]()
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


def test_pulses_of_a_history():
    edges = [OutputEdge(True, 1_000), OutputEdge(False, 21_000), OutputEdge(True, 50_000)]
    assert pulses(edges) == [Pulse(at_ns=1_000, width_us=20)]
    assert pulses([*edges, OutputEdge(False, 90_000)])[1] == Pulse(at_ns=50_000, width_us=40)


def test_a_pulse_cut_off_by_a_death_has_a_beginning_and_no_width():
    edges = [OutputEdge(True, 1_000), OutputEdge(True, 50_000), OutputEdge(False, 60_000)]
    assert pulses(edges) == [Pulse(at_ns=1_000, width_us=0), Pulse(at_ns=50_000, width_us=10)]
