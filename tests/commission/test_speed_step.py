"""Step speed: the measured limits, compared with the speed of the line."""

from pathlib import Path

import pytest

from edge.commission.context import CommissionSettings
from edge.commission.result import Figure, StepOutcome, StepResult, judge_figures
from edge.commission.steps.speed import configured_gap_ms, run_speed
from edge.config.station import load_config
from tests.commission.stations import context_of, write_station

COUNTS = "[encoder]\nmax_counts_per_s = 2000\ncounts_per_s = 1500\nvariation = 0.3\n"


def figures(step: str, **values: float) -> StepResult:
    named = {name.replace("_", " ").replace("999", "99.9"): v for name, v in values.items()}
    return judge_figures(step, [Figure(name=name, value=value) for name, value in named.items()])


DONE = {
    "timing": figures("timing", late_p999_bound=0.5, inspect_p999_bound=6.0),
    "parts": figures("parts", capture_max=8.0, least_gap=31.0),
    "travel": figures("travel", spread_p5_to_p95=4.0, least_gap=40.0),
}


def test_the_configured_belt(tmp_path: Path) -> None:
    """Pulse 10 + 2 × 0.5 + 2 × 2 = 15 ms; parts come 0.7 / 20 Hz = 35 ms apart."""
    result = run_speed(context_of(write_station(tmp_path), done=DONE))
    assert result.outcome is StepOutcome.GO, result.reason
    assert result.figure("least gap allowed") == pytest.approx(15)
    assert result.figure("greatest rate") == pytest.approx(1e3 / 15)
    assert result.figure("least gap by [trigger]") == pytest.approx(35)
    assert result.notes == ("limited by: ejector",)


def test_too_fast_a_line(tmp_path: Path) -> None:
    path = write_station(tmp_path, rate_hz=50.0)
    result = run_speed(context_of(path, done=DONE))
    assert result.reason == "least gap by [trigger] 14 ms, at least 15"
    slower = context_of(path, done=DONE, settings=CommissionSettings(rate_hz=60.0))
    assert run_speed(slower).outcome is StepOutcome.GO


def test_a_real_line_uses_the_gap_that_the_photo_eye_saw(tmp_path: Path) -> None:
    path = write_station(tmp_path)
    trigger = '[trigger]\nkind = "gpio"\nchip = "a"\nline = 1\n'
    text = path.read_text().replace("[trigger]\nrate_hz = 20.0\njitter = 0.3\n", trigger)
    path.write_text(text)
    assert configured_gap_ms(load_config(path)) is None
    result = run_speed(context_of(path, done=DONE))
    assert result.figure("least gap seen") == 31
    unmeasured = {**DONE, "parts": figures("parts", capture_max=8.0)}
    assert "is not known: give --rate-hz" in run_speed(context_of(path, done=unmeasured)).reason


@pytest.mark.parametrize("missing", ["timing", "parts"])
def test_it_needs_the_figures_of_other_steps(tmp_path: Path, missing: str) -> None:
    done = {step: result for step, result in DONE.items() if step != missing}
    result = run_speed(context_of(write_station(tmp_path), done=done))
    assert result.outcome is StepOutcome.SKIPPED
    assert result.reason == f"needs the figures of step {missing}"


def test_a_camera_with_a_rate_of_its_own(tmp_path: Path) -> None:
    context = context_of(write_station(tmp_path), done=DONE)
    for triggered, ms in ((False, 25), (True, 15)):
        camera = context.config.camera.model_copy(update={"rate_hz": 40.0, "triggered": triggered})
        config = context.config.model_copy(update={"camera": camera})
        changed_names = context_of(tmp_path / "station.toml", done=DONE, config=config)
        assert run_speed(changed_names).figure("least gap allowed") == pytest.approx(ms)


def test_by_counts(tmp_path: Path) -> None:
    path = write_station(tmp_path, COUNTS)
    text = path.read_text().replace("travel_ms = 120.0", "travel_counts = 210")
    path.write_text(text.replace("pulse_ms = 10.0", "pulse_ms = 10.0\nmin_spacing_counts = 25"))
    result = run_speed(context_of(path, done=DONE))
    # 40 counts less the spread of both, 2 each, in 11 ms: 3,273 counts a second.
    assert result.figure("greatest speed") == pytest.approx(36e3 / 11)
    assert result.figure("min_spacing_counts needed") == pytest.approx(22)
    assert result.figure("least gap by [trigger]") == pytest.approx(35 / 1.3)
    assert result.outcome is StepOutcome.GO, result.reason
    near = {**DONE, "travel": figures("travel", least_gap=20.0)}
    result = run_speed(context_of(path, done=near))
    assert "gap of parts 20 counts, at least 25" in result.reason
    assert "max_counts_per_s 2000 counts/s, at most 0" in result.reason
    unknown = {step: DONE[step] for step in ("timing", "parts")}
    # Without an ejector eye the simulated belt gives it: 0.7 × 1500 / 20.
    result = run_speed(context_of(path, done=unknown))
    assert result.figure("gap of parts") == pytest.approx(52.5)
