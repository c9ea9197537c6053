"""The findings on camera, GPIO lines, permissions and hardware watchdog."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edge.devices.camera import Camera
from edge.doctor import devices
from edge.doctor.finding import Level
from edge.errors import DeviceError
from edge.sim.camera import CameraFault, SimulatedCamera, SimulatedSensor
from tests.devices.clocks import FakeClock
from tests.doctor.contexts import STATION, context, put

GPIO = 'kind = "gpio"\nchip = "fake-chip"\nline = 1\n'


def test_a_camera_that_gives_a_frame(tmp_path: Path) -> None:
    assert str(devices.camera(context(tmp_path))) == "OK camera: a frame of 128×96 px, grey"
    (tmp_path / "frames").rename(tmp_path / "elsewhere")
    finding = devices.camera(context(tmp_path))
    assert (finding.level, "camera.path" in finding.message) == (Level.FAIL, True)
    busy = devices.camera(context(tmp_path, running=STATION))
    assert str(busy) == "OK camera: in use by the station; see parts"


def test_cameras_that_are_dark_or_silent(tmp_path: Path) -> None:
    one = context(tmp_path)
    sensor = SimulatedSensor(FakeClock(), scene=lambda at_ns: np.zeros((8, 8), np.uint8))
    dark = replace(one, camera=lambda: SimulatedCamera(sensor))
    assert devices.camera(dark).level is Level.WARN
    assert sensor.opened == 0  # and closed again
    silent = replace(one, camera=lambda: SimulatedCamera(sensor, {1: CameraFault.SILENT}))
    assert str(devices.camera(silent)) == "FAIL camera: camera_simulated: gives no frame"

    def gone() -> Camera:
        raise DeviceError("camera /dev/video0: no such file or directory")

    assert devices.camera(replace(one, camera=gone)).level is Level.FAIL


def test_a_triggered_camera_is_only_opened(tmp_path: Path) -> None:
    one = context(tmp_path)
    camera = one.config.camera.model_copy(update={"triggered": True})
    config = one.config.model_copy(update={"camera": camera})
    sensor = SimulatedSensor(FakeClock())
    one = replace(
        one, config=config, camera=lambda: SimulatedCamera(sensor, {1: CameraFault.SILENT})
    )
    assert str(devices.camera(one)) == "OK camera: opens; frames need the trigger input"
    assert sensor.opened == 0


@dataclass
class Chip:
    """The part of gpiod.Chip that the checks use."""

    path: str
    line: SimpleNamespace

    def __enter__(self) -> "Chip":
        return self

    def __exit__(self, *_: object) -> None: ...

    def get_info(self) -> SimpleNamespace:
        return SimpleNamespace(label="fake-chip")

    def line_offset_from_id(self, line: int | str) -> int:
        if line not in (1, "EYE"):
            raise ValueError("line offset of out range")
        return 1

    def get_line_info(self, offset: int) -> SimpleNamespace:
        return self.line


def gpiod(line: SimpleNamespace, *, fault: OSError | None = None) -> Callable[[], object]:
    def chip(path: str) -> Chip:
        if fault is not None:
            raise fault
        return Chip(path, line)

    return lambda: SimpleNamespace(Chip=chip)


FREE = SimpleNamespace(used=False, consumer="")
OURS = SimpleNamespace(used=True, consumer="outfeed")
FOREIGN = SimpleNamespace(used=True, consumer="spi0 CS0")


@pytest.mark.parametrize(
    ("line", "running", "level", "message"),
    [
        (FREE, False, Level.OK, "output line 1 of fake-chip free"),
        (OURS, True, Level.OK, "output line 1 of fake-chip held by the station"),
        (FOREIGN, False, Level.FAIL, "is held by spi0 CS0"),
        (FOREIGN, True, Level.FAIL, "is held by spi0 CS0"),
        (OURS, False, Level.FAIL, "is held by Outfeed, but no station runs"),
        (FREE, True, Level.FAIL, "is free, but the station runs"),
    ],
)
def test_lines(
    tmp_path: Path, line: SimpleNamespace, running: bool, level: Level, message: str
) -> None:
    put(tmp_path / "root", "dev/gpiochip0", "")
    one = context(
        tmp_path,
        text=("[output]\n", f"[output]\n{GPIO}"),
        gpiod=gpiod(line),
        running=STATION if running else None,
    )
    finding = devices.lines(one)
    assert finding is not None
    assert finding.level is level
    assert message in finding.message


def test_lines_that_do_not_exist(tmp_path: Path) -> None:
    assert devices.lines(context(tmp_path)) is None  # no line is configured
    one = context(tmp_path, text=("[output]\n", f"[output]\n{GPIO}"), gpiod=gpiod(FREE))
    assert "no such chip" in str(devices.lines(one))
    put(tmp_path / "root", "dev/gpiochip0", "")
    for fault, message in (
        (PermissionError(13, "Permission denied"), "not permitted"),
        (FileNotFoundError(2, "No such file"), "no such chip or line"),
    ):
        path = context(tmp_path, gpiod=gpiod(FREE, fault=fault))
        text = path.config.model_copy(
            update={"output": path.config.output.model_copy(update={"chip": "/dev/gpiochip0"})}
        )
        assert message in str(devices.lines(replace(path, config=text)))
    other = context(tmp_path, text=("line = 1\n", "line = 9\n"), gpiod=gpiod(FREE))
    assert "line offset of out range" in str(devices.lines(other))


def test_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.permissions(context(tmp_path)) is None
    put(tmp_path / "root", "dev/gpiochip0", "")
    one = context(tmp_path, text=("[output]\n", f"[output]\n{GPIO}"))
    assert str(devices.permissions(one)) == "OK permissions: this user may open 1 devices"
    monkeypatch.setattr("os.access", lambda path, mode: False)  # the tests may run as root
    finding = devices.permissions(one)
    assert finding is not None
    assert (finding.level, "gpiochip0" in finding.message) == (Level.FAIL, True)


def test_the_hardware_watchdog(tmp_path: Path) -> None:
    assert devices.watchdog(context(tmp_path)).level is Level.WARN
    put(tmp_path / "root", "dev/watchdog0", "")
    assert devices.watchdog(context(tmp_path)).level is Level.OK
