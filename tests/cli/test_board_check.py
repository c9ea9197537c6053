"""The check of a real board, on simulated boards."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.assembly.station import make_trigger
from edge.cli import board_check as boardcheck
from edge.cli.board_check import (
    BoardFinding,
    check_camera,
    check_lamp,
    check_unplug,
    check_wire,
    main,
)
from edge.config.station import StationConfig
from edge.devices.camera_reopening import ReopeningCamera
from edge.devices.output_simulated import SimulatedOutput
from edge.errors import DeviceError
from edge.sim.camera import CameraFault, SimulatedCamera, SimulatedSensor
from tests.devices.clocks import MS, FakeClock
from tests.devices.triggers import fake_kernel
from tests.support.configurations import SMALLEST, V4L2, load, with_section

ROOT = Path(boardcheck.__file__).parents[2]
WIRED = '[trigger]\nkind = "gpio"\nchip = "fake-chip"\nline = 1\n'
WIRED += '[output]\nkind = "gpio"\nchip = "fake-chip"\nline = 2\n'


def config(tmp_path: Path, text: str) -> StationConfig:
    return load(tmp_path / "station.toml", text)


def lines(findings) -> list[str]:
    return [str(finding) for finding in findings]


@pytest.fixture
def board(request):
    """Return a chip whose line 2 is wired to line 1."""
    clock = FakeClock()
    kernel = fake_kernel(request, clock)
    (path,) = kernel.chips
    driven = kernel.line(path, 2)
    change = driven.drive

    def drive(high: bool) -> None:
        change(high)
        clock.ns += 40_000
        kernel.press(path, 1, high)

    driven.drive = drive
    return clock, kernel, path


def test_a_wire_from_the_output_to_the_trigger(board, tmp_path):
    clock, _, _ = board
    settings = config(tmp_path, SMALLEST + WIRED)
    trigger = make_trigger(settings, clock=clock)
    assert lines(check_wire(trigger, settings, clock=clock, pulses=5)) == [
        "PASS  no edge before the output is claimed: 0 detected",
        "PASS  no edge as the output is claimed: 0 detected",
        "PASS  an edge for every pulse: 5 of 5 detected, 0 stray edges",
        "PASS  the kernel's stamp is after the order: p50 40 µs, max 40 µs",
        "PASS  no edge as the output is released: 0 detected",
        "PASS  no edge as the output is claimed again: 0 detected",
    ]


def test_a_wire_of_the_other_polarity_and_no_wire(board, tmp_path):
    clock, kernel, path = board
    settings = config(tmp_path, SMALLEST + WIRED + "active_low = true\n")
    trigger = make_trigger(settings, clock=clock)
    findings = list(check_wire(trigger, settings, clock=clock, pulses=5))
    assert not findings[1].passed  # the claim at inactive is an edge to high
    assert str(findings[2]) == (
        "FAIL  an edge for every pulse: 0 of 5 detected, 5 stray edges (one of the two lines is "
        "active_low and the other is not?)"
    )
    trigger.close()
    kernel.line(path, 2).drive = lambda high: None
    settings = config(tmp_path, SMALLEST + WIRED)
    trigger = make_trigger(settings, clock=clock)
    findings = list(check_wire(trigger, settings, clock=clock, pulses=5))
    assert str(findings[2]) == "FAIL  an edge for every pulse: 0 of 5 detected, 0 stray edges"


def test_a_camera_that_is_fresh_and_one_that_is_not(tmp_path):
    settings = config(tmp_path, with_section("camera", V4L2))
    sensor = SimulatedSensor(FakeClock())
    findings = lines(check_camera(SimulatedCamera(sensor), settings, clock=sensor.clock, parts=90))
    assert findings[0] == "PASS  a fresh frame for every part: 90 of 90"
    assert [line.split(":")[0] for line in findings[1:]] == [
        "PASS  exposure",
        "PASS  frame in memory",
    ]
    faults = {7: CameraFault.FROZEN, 9: CameraFault.DAMAGED}
    camera = SimulatedCamera(sensor, faults)
    findings = lines(check_camera(camera, settings, clock=sensor.clock, parts=20))
    assert findings[0] == (
        "FAIL  a fresh frame for every part: 18 of 20; first: frame refused: every pixel as in the "
        "last one"
    )


@pytest.mark.parametrize(("wrong_ms", "passed"), [(0, True), (-3, True), (12, False)])
def test_a_lamp_shows_whether_the_stamps_are_true(wrong_ms, passed):
    clock = FakeClock()
    output = SimulatedOutput(clock=clock)

    def scene(exposed_ns: int) -> np.ndarray:
        """Return the frame at the true time; its stamp is wrong_ms later."""
        true_ns = exposed_ns - wrong_ms * MS
        lit = [edge.active for edge in output.history if edge.at_ns <= true_ns]
        return np.full((4, 4), 200 if lit and lit[-1] else 30, np.uint8)

    sensor = SimulatedSensor(clock, scene=scene)
    (finding,) = check_lamp(SimulatedCamera(sensor), output, clock=clock, flashes=12)
    assert finding.passed is passed
    if passed:
        assert finding.message == "no dark frame has a stamp after the lamp, in 12 flashes"
    else:
        stated_ms = float(finding.message.split()[4])
        assert wrong_ms - 5 <= stated_ms <= wrong_ms


def test_a_lamp_that_is_not_in_view():
    clock = FakeClock()
    sensor = SimulatedSensor(clock, scene=lambda at_ns: np.full((4, 4), 90, np.uint8))
    with pytest.raises(DeviceError, match="the lamp makes no difference: 90 off, 90 on"):
        list(check_lamp(SimulatedCamera(sensor), SimulatedOutput(clock=clock), clock=clock))


def test_a_camera_that_is_unplugged_and_plugged_in_again(tmp_path, monkeypatch, capsys):
    settings = config(tmp_path, with_section("camera", V4L2))
    sensor = SimulatedSensor(FakeClock())
    wait = sensor.clock.sleep_until_ns

    def follow_instruction(due_ns: int) -> None:
        """Do what was printed last, as a person would."""
        output = capsys.readouterr().out
        if "UNPLUG" in output:
            sensor.present = False
        elif "PLUG" in output:
            sensor.present = True
        wait(due_ns)

    sensor.clock.sleep_until_ns = follow_instruction
    camera = ReopeningCamera(lambda: SimulatedCamera(sensor), retry_max_s=0.001)
    monkeypatch.setattr(boardcheck, "make_live_camera", lambda config, clock: camera)
    monkeypatch.setattr(boardcheck, "_PLUG_S", 1e9)  # by a clock that leaps
    findings = list(check_unplug(settings, clock=sensor.clock))
    assert findings[:2] == [
        BoardFinding(True, "unplug the camera now", "lost, parts are UNKNOWN"),
        BoardFinding(True, "plug it in again", "opened again"),
    ]
    assert findings[2].passed


def test_the_script_reports_faults(tmp_path, capsys):
    path = tmp_path / "station.toml"
    path.write_text(with_section("camera", V4L2.replace("/dev/video0", "/dev/no-camera")))
    script = ROOT / "firmware-config" / "on-a-real-board.sh"
    run = subprocess.run(
        [script, path],
        env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout.splitlines()[-1] == ("FAIL  camera /dev/no-camera: no such file or directory")
    assert subprocess.run([script], check=False, capture_output=True).returncode == 2
    path.write_text(SMALLEST)
    assert main([str(path)]) == 0
    assert main([str(path), "--wire"]) == 78
    assert "--wire needs kind gpio of [trigger] and [output]" in capsys.readouterr().out
