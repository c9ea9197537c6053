"""Every key of the belt reaches the record that acts on it."""

from dataclasses import replace
from pathlib import Path

from edge.assembly.belt import belt_plan, count_tracking, ejector_eye
from edge.assembly.station import make_belt, make_rejector
from edge.clock import MonotonicClock
from edge.config.station import StationConfig, load_config
from edge.line.tracker import CountRules, EyeRules
from edge.rejector.hardware import SimulatedEncoderSpec, SimulatedEyeSpec
from edge.rejector.options import CountTracking, EjectorEye
from edge.sim.belt import SimulatedBelt
from edge.sim.driven_belt import BeltPlan, DrivenBelt
from edge.sim.motion import Drive
from tests.support.configurations import BY_COUNTS, BY_TIME, EYE, EYE_MS

MS = 1_000_000


def load(folder: Path, text: str) -> StationConfig:
    path = folder / "station.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_by_counts(tmp_path: Path) -> None:
    text = BY_COUNTS.replace("[line]", "[line]\ndebounce_counts = 30\nmin_spacing_counts = 50")
    text += "channels = 'single'\nbacklash_counts = 4\nsilent_edges = 7\npurge_at_start = false\n"
    text += "counts_per_s = 700\nvariation = 0.3\nstops = 0.1\n"
    text += EYE + "on_absent = 'pass'\ntaken = 0.2\nadded = 0.3\n"
    text += "[trigger]\nrate_hz = 7.0\nparts = 9\njitter = 0.2\nseed = 5\n"
    config = load(tmp_path, text)
    drive = Drive(77, 700, variation=0.3, stops=0.1, reversals=0.0, seed=5)
    plan = belt_plan(config, began_ns=77)
    assert plan == BeltPlan(
        drive, 100, 25, 800, 100, parts=9, jitter=0.2, taken=0.2, added=0.3, seed=5
    )
    assert count_tracking(config, plan) == CountTracking(
        CountRules(800, debounce=30, backlash=4, silent_edges=7),
        SimulatedEncoderSpec(drive, "single", False),
        max_counts_per_s=2_000,
        purge_at_start=False,
    )
    assert ejector_eye(config, plan) == EjectorEye(
        EyeRules(100, 20, debounce=2 * MS), SimulatedEyeSpec(plan), on_absent="pass"
    )
    assert config.spacing == 50
    text = text.replace("'single'", "'quadrature'").replace(
        "[ejector_eye]", "SURVIVES[ejector_eye]"
    )
    text = text.replace("SURVIVES", "survives = true\nreversals = 0.1\n")
    plan = belt_plan(load(tmp_path, text), began_ns=77)
    assert plan.drive == replace(drive, reversals=0.1)
    tracking = count_tracking(load(tmp_path, text), plan)
    assert tracking is not None
    assert tracking.encoder == SimulatedEncoderSpec(plan.drive, "quadrature", True)


def test_by_time_an_eye_looks_at_a_belt_of_even_speed(tmp_path: Path) -> None:
    config = load(tmp_path, BY_TIME + EYE_MS)
    plan = belt_plan(config, began_ns=77)
    assert plan == BeltPlan(Drive(77, 1_000), 100, 25, 500, 50)
    assert count_tracking(config, plan) is None
    assert ejector_eye(config, plan) == EjectorEye(
        EyeRules(50 * MS, 10 * MS, debounce=2 * MS), SimulatedEyeSpec(plan)
    )


def test_the_rejector_looks_at_the_belt_that_triggers(tmp_path: Path) -> None:
    clock = MonotonicClock()
    config = load(tmp_path, BY_COUNTS + EYE)
    belt = make_belt(config, clock=clock)
    assert isinstance(belt, DrivenBelt)
    assert belt.plan.drive.began_ns > clock.now_ns()
    options = make_rejector(config, clock=clock, trigger=belt)._options
    assert options.counts == count_tracking(config, belt.plan)
    assert options.ejector_eye == ejector_eye(config, belt.plan)
    assert options.spacing == 40
    plain = load(tmp_path, BY_TIME)
    assert isinstance(make_belt(plain, clock=clock), SimulatedBelt)
    options = make_rejector(plain, clock=clock)._options
    assert (options.counts, options.ejector_eye, options.spacing) == (None, None, 20 * MS)
