"""Single test pulses of the rejector process: one pulse at the right time, and no other."""

from dataclasses import replace

import pytest

from edge.clock import MonotonicClock
from edge.commission.single_pulses import TestPulses, single_pulse_options
from edge.devices.output_simulated import pulses, read_record
from edge.errors import DeviceError
from edge.line.outcome import Action
from edge.line.tracker import CountRules, EyeRules
from edge.rejector.client import RejectorClient
from edge.rejector.hardware import SimulatedEncoderSpec, SimulatedEyeSpec
from edge.rejector.options import CountTracking, EjectorEye, RejectorOptions
from edge.sim.belt import SimulatedBelt
from edge.sim.driven_belt import BeltPlan
from edge.sim.motion import Drive

CLOCK = MonotonicClock()


def belt(**keys: float) -> SimulatedBelt:
    return SimulatedBelt(clock=CLOCK, travel_ns=50_000_000, rate_hz=keys.get("rate_hz", 50.0))


def test_one_part_gets_its_pulse_after_the_delay(tmp_path) -> None:
    line = belt()
    options = RejectorOptions(20_000, record=tmp_path / "edges", realtime_priority=0)
    test_pulses = TestPulses(line, options, lambda options: RejectorClient(options, clock=CLOCK))
    report = test_pulses.fire(50_000_000, 15_000, wait_s=5)
    (pulse,) = pulses(read_record(tmp_path / "edges"))
    assert report.action is Action.EJECTED
    assert report.due_ns <= pulse.at_ns <= report.due_ns + 15_000_000
    assert pulse.width_us <= 15_500 + 5_000  # the end may be held up
    (hit,) = line.hits([pulse])
    assert len(hit) <= 1


def test_no_part_and_no_rejector() -> None:
    options = RejectorOptions(20_000, realtime_priority=0)
    idle = TestPulses(belt(rate_hz=0.01), options, lambda o: RejectorClient(o, clock=CLOCK))
    with pytest.raises(DeviceError, match=r"no part came within 0\.1 s"):
        idle.fire(1_000_000, 1_000, wait_s=0.1)


def test_no_other_part_is_ejected() -> None:
    """The rejector of the station would eject some of these parts without an order."""
    drive = Drive(0, 1_000)
    plan = BeltPlan(drive, 100, 20, 300)
    counts = CountTracking(CountRules(300), SimulatedEncoderSpec(drive), 2_000)
    eye = EjectorEye(EyeRules(30, 5), SimulatedEyeSpec(plan))
    full = RejectorOptions(
        20_000,
        on_unknown="reject",
        safe_state="active",
        spacing=40,
        counts=counts,
        ejector_eye=eye,
        silence_ms=500,
    )
    assert full.counts is not None
    assert full.counts.purge_at_start
    assert single_pulse_options(full, pulse_us=3_000) == replace(
        full,
        pulse_us=3_000,
        on_unknown="pass",
        spacing=0,
        ejector_eye=None,
        silence_ms=0,
        counts=replace(counts, purge_at_start=False),
    )
