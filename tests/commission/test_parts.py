"""Step parts on a simulated line: real threads, real chain, nobody kicks."""

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
from tests.commission.benches import CALM, Declining, Scripted, bench_of, write_station
from tests.commission.pictures import tiles
from tests.support.bundles import FAINT, HOLE

FEW = CommissionSettings(parts=8, wait_s=5.0)


def test_good_parts_are_counted_and_timed(tmp_path: Path) -> None:
    person = Scripted()
    bench = bench_of(write_station(tmp_path, **CALM), person=person, settings=FEW)
    result = run_parts(bench)
    assert result.outcome is StepOutcome.GO, result.reason
    assert person.asked == ["Let 8 good parts run, and only good ones; press Enter to begin"]
    assert [result.figure(name) for name in ("parts", "false rejects", "unknown")] == [8, 0, 0]
    assert result.figure("margin to T") == 100
    for stage in ("capture", "inspect", "verdict"):
        p50, most = result.figure(f"{stage} p50"), result.figure(f"{stage} max")
        assert p50 is not None
        assert most is not None
        assert 0 < p50 <= most
    assert 35 <= (result.figure("least gap") or 0) <= 65
    assert result.notes == (
        "none of 8 good parts was rejected: with 95 % confidence at most 37.5 % are (3 / n); "
        "300 parts would say 1 %",
    )
    assert not (tmp_path / "state").exists()  # nothing was journalled


@pytest.mark.parametrize("allowed", [0, 2])
def test_false_rejects(tmp_path: Path, allowed: int) -> None:
    pictures = [HOLE, *(tiles(seed=n) for n in range(3))]
    path = write_station(tmp_path, **CALM, pictures=pictures)
    result = run_parts(bench_of(path, settings=replace(FEW, false_rejects=allowed)))
    assert result.figure("false rejects") == 2
    assert (result.figure("margin to T") or 0) < 0
    assert result.outcome is (StepOutcome.GO if allowed else StepOutcome.NO_GO)
    if not allowed:
        assert result.reason.startswith("false reject: hole")


def test_severity_that_was_taken_for_sound_surface_is_told(tmp_path: Path) -> None:
    path = write_station(tmp_path, **CALM, pictures=[FAINT, tiles(), tiles(), tiles()])
    result = run_parts(bench_of(path, settings=FEW))
    assert result.outcome is StepOutcome.GO
    assert result.figure("parts above T") == 2
    assert (result.figure("margin to T") or 0) < 0
    assert result.notes[0].startswith("on 2 of 8 good parts something passed T")


def test_unknown_parts_say_why(tmp_path: Path) -> None:
    bench = bench_of(write_station(tmp_path, **CALM), settings=FEW)
    sensor = SimulatedSensor(bench.clock, scene=lambda at_ns: tiles(seed=at_ns % 7))
    faults = {3: CameraFault.REPEATED, 5: CameraFault.DAMAGED}

    def camera() -> Camera:
        return SimulatedCamera(sensor, faults)

    result = run_parts(replace(bench, devices=replace(bench.devices, camera=camera)))
    assert result.outcome is StepOutcome.NO_GO
    assert result.figure("unknown") == 2
    assert "unknown: camera_simulated: a frame was damaged on its way" in result.reason
    assert "unknown: frame refused: exposed when the last one was" in result.reason
    assert {"1 repeated", "1 no_frame"} <= set(result.notes)


def test_a_person_who_lets_none_run(tmp_path: Path) -> None:
    result = run_parts(bench_of(write_station(tmp_path), person=Declining(), settings=FEW))
    assert (result.outcome, result.reason) == (StepOutcome.SKIPPED, "no parts were let run")


def test_too_few_parts(tmp_path: Path) -> None:
    path = write_station(tmp_path, **CALM, trigger="parts = 5")
    result = run_parts(bench_of(path, settings=FEW))
    assert result.reason == "5 parts came, 8 were wanted"
    path.write_text(
        path.read_text()
        .replace("parts = 5", "parts = 1")
        .replace("rate_hz = 20.0", "rate_hz = 0.01")
    )
    result = run_parts(bench_of(path, settings=replace(FEW, wait_s=0.4)))
    assert (result.outcome, result.reason) == (StepOutcome.NO_GO, "0 parts came, 8 were wanted")


def test_a_photo_eye_that_is_not_there(tmp_path: Path) -> None:
    bench = bench_of(write_station(tmp_path), settings=FEW)

    def gone() -> Trigger:
        raise DeviceError("gpio: line 17 of pinctrl-rp1: no such chip or line")

    result = run_parts(replace(bench, devices=replace(bench.devices, trigger=gone)))
    assert result.outcome is StepOutcome.NO_GO
    assert "no such chip or line" in result.reason


def test_nobody_owns_the_output(tmp_path: Path) -> None:
    """Every part of these would be kicked, if anybody kicked."""
    path = write_station(tmp_path, **CALM, pictures=[HOLE])
    text = path.read_text().replace("[output]\n", '[output]\nrecord = "edges"\n')
    path.write_text(text)
    run_parts(bench_of(path, settings=FEW))
    assert not (tmp_path / "edges").exists()
    rejector = NoRejector(bench_of(path).clock)
    assert rejector.close(1.0) is None
