"""Step parts on a simulated line with real threads and the real chain; nothing is ejected."""

from dataclasses import replace
from pathlib import Path

import pytest

from edge.commission.context import CommissionSettings
from edge.commission.result import StepOutcome
from edge.commission.steps.parts import NoRejector, run_parts
from edge.devices.camera import Camera
from edge.devices.trigger import Trigger
from edge.errors import DeviceError
from edge.sim.camera import CameraFault, SimulatedCamera, SimulatedSensor
from tests.commission.stations import (
    CALM,
    DecliningOperator,
    ScriptedOperator,
    context_of,
    tiles,
    write_station,
)
from tests.support.bundles import FAINT, HOLE

FEW = CommissionSettings(parts=8, wait_s=5.0)


def test_good_parts_are_counted_and_timed(tmp_path: Path) -> None:
    operator = ScriptedOperator()
    context = context_of(write_station(tmp_path, **CALM), operator=operator, settings=FEW)
    result = run_parts(context)
    assert result.outcome is StepOutcome.GO, result.reason
    assert operator.asked == ["Run 8 good parts, and only good ones. Press Enter to begin."]
    assert [result.figure(name) for name in ("parts", "false rejects", "unknown")] == [8, 0, 0]
    assert result.figure("margin to T") == 100
    for stage in ("capture", "inspect", "verdict"):
        p50, most = result.figure(f"{stage} p50"), result.figure(f"{stage} max")
        assert p50 is not None
        assert most is not None
        assert 0 < p50 <= most
    assert 35 <= (result.figure("least gap") or 0) <= 65
    assert result.notes == (
        "none of 8 good parts was rejected: with 95 % confidence the rate of false rejects "
        "is at most 37.5 % (3 / n); 300 parts would show at most 1 %",
    )
    assert not (tmp_path / "state").exists()  # nothing was journalled


@pytest.mark.parametrize(("limit", "wanted"), [(8.0, 83.4), (4.0, 66.8)])
def test_the_margin_is_that_to_the_reject_severity_where_there_is_one(
    tmp_path: Path, limit: float, wanted: float
) -> None:
    """The classifier calls the region of the faint part background, so its score is below T."""
    path = write_station(tmp_path, **CALM, pictures=[FAINT, tiles(), tiles(), tiles()])
    context = context_of(path, settings=FEW)
    manifest = context.bundle.manifest
    chain = manifest.chain.model_copy(update={"reject_severity": limit})
    bundle = replace(context.bundle, manifest=manifest.model_copy(update={"chain": chain}))
    result = run_parts(replace(context, bundle=bundle))
    assert result.figure("margin to reject severity") == pytest.approx(wanted, abs=0.1)
    assert result.figure("margin to T") is None
    assert len(result.notes) == 1


@pytest.mark.parametrize("allowed", [0, 2])
def test_false_rejects(tmp_path: Path, allowed: int) -> None:
    pictures = [HOLE, *(tiles(seed=n) for n in range(3))]
    path = write_station(tmp_path, **CALM, pictures=pictures)
    result = run_parts(context_of(path, settings=replace(FEW, false_rejects=allowed)))
    assert result.figure("false rejects") == 2
    assert (result.figure("margin to T") or 0) < 0
    assert result.outcome is (StepOutcome.GO if allowed else StepOutcome.NO_GO)
    if not allowed:
        assert result.reason.startswith("false reject: hole")


def test_severity_above_the_threshold_on_passed_parts_is_a_note(tmp_path: Path) -> None:
    path = write_station(tmp_path, **CALM, pictures=[FAINT, tiles(), tiles(), tiles()])
    result = run_parts(context_of(path, settings=FEW))
    assert result.outcome is StepOutcome.GO
    assert result.figure("parts above T") == 2
    assert (result.figure("margin to T") or 0) < 0
    assert result.notes[0].startswith("2 of 8 good parts have a region above the threshold T")


def test_unknown_parts_are_reported_with_their_reasons(tmp_path: Path) -> None:
    context = context_of(write_station(tmp_path, **CALM), settings=FEW)
    sensor = SimulatedSensor(context.clock, scene=lambda at_ns: tiles(seed=at_ns % 7))
    faults = {3: CameraFault.REPEATED, 5: CameraFault.DAMAGED}

    def camera() -> Camera:
        return SimulatedCamera(sensor, faults)

    result = run_parts(replace(context, devices=replace(context.devices, camera=camera)))
    assert result.outcome is StepOutcome.NO_GO
    assert result.figure("unknown") == 2
    assert "unknown: camera_simulated: a frame was damaged in transfer" in result.reason
    assert "unknown: frame refused: exposed when the last one was" in result.reason
    assert {"1 repeated", "1 no_frame"} <= set(result.notes)


def test_an_operator_who_declines_skips_the_step(tmp_path: Path) -> None:
    result = run_parts(
        context_of(write_station(tmp_path), operator=DecliningOperator(), settings=FEW)
    )
    assert (result.outcome, result.reason) == (
        StepOutcome.SKIPPED,
        "the operator declined to run parts",
    )


def test_too_few_parts(tmp_path: Path) -> None:
    path = write_station(tmp_path, **CALM, trigger="parts = 5")
    result = run_parts(context_of(path, settings=FEW))
    assert result.reason == "5 of 8 parts came"
    path.write_text(
        path.read_text()
        .replace("parts = 5", "parts = 1")
        .replace("rate_hz = 20.0", "rate_hz = 0.01")
    )
    result = run_parts(context_of(path, settings=replace(FEW, wait_s=0.4)))
    assert (result.outcome, result.reason) == (StepOutcome.NO_GO, "0 of 8 parts came")


def test_a_missing_photo_eye_is_no_go(tmp_path: Path) -> None:
    context = context_of(write_station(tmp_path), settings=FEW)

    def gone() -> Trigger:
        raise DeviceError("gpio: line 17 of pinctrl-rp1: no such chip or line")

    result = run_parts(replace(context, devices=replace(context.devices, trigger=gone)))
    assert result.outcome is StepOutcome.NO_GO
    assert "no such chip or line" in result.reason


def test_the_output_is_never_switched(tmp_path: Path) -> None:
    """A rejector with an output would eject every one of these parts."""
    path = write_station(tmp_path, **CALM, pictures=[HOLE])
    text = path.read_text().replace("[output]\n", '[output]\nrecord = "edges"\n')
    path.write_text(text)
    run_parts(context_of(path, settings=FEW))
    assert not (tmp_path / "edges").exists()
    rejector = NoRejector(context_of(path).clock)
    assert rejector.close(1.0) is None
