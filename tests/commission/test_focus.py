"""Step focus on simulated cameras."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.commission.context import CommissionSettings, NoOperator
from edge.commission.result import StepOutcome, StepResult
from edge.commission.steps.focus import PICTURE, run_focus
from edge.config.camera import CameraConfig
from edge.errors import DeviceError
from edge.sim.camera import SimulatedCamera, SimulatedSensor
from tests.commission.stations import (
    Pixels,
    ScriptedOperator,
    blurred,
    context_of,
    lit,
    tiles,
    write_station,
)
from tests.devices.clocks import FakeClock

LIVE = CameraConfig(kind="v4l2", device=Path("/dev/video0"), width=128, height=96)


def focus(tmp_path: Path, scene: Callable[[int], Pixels], **settings: int) -> StepResult:
    """Frames of a sensor that sees ``picture`` at a given time."""
    path = write_station(tmp_path)
    clock = FakeClock()
    # Not synchronous with the mains, as a camera at 50 frames per second would be.
    sensor = SimulatedSensor(clock, frame_ns=5_300_000, scene=scene)
    context = context_of(path, clock=clock, settings=CommissionSettings(**settings))
    devices = replace(context.devices, camera=lambda: SimulatedCamera(sensor))
    config = context.config.model_copy(update={"camera": LIVE})
    return run_focus(replace(context, devices=devices, config=config))


def noisy(pixels: Pixels, at_ns: int) -> Pixels:
    noise = np.random.default_rng(at_ns % 997).normal(0, 1, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_a_sharp_steady_picture_is_go_and_is_stored(tmp_path: Path) -> None:
    result = focus(tmp_path, lambda at_ns: noisy(tiles(seed=9), at_ns), frames=12)
    assert (result.outcome, result.notes) == (StepOutcome.GO, ()), result.reason
    assert result.figure("pictures") == 12
    assert result.pictures == (PICTURE,)
    kept = cv2.imread(str(tmp_path / PICTURE))
    assert kept is not None
    assert kept.shape[0] > 96  # the figures are below it
    assert (kept[:96, :128, 0].astype(int) - tiles(seed=9)).max() < 8


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda pixels: blurred(pixels, 2), "sharpness"),
        (lambda pixels: lit(pixels, 0.5), "mean"),
        (lambda pixels: lit(pixels, 1.7), "clipped white"),
        (lambda pixels: pixels[:80], "pictures of 128×80 px, the bundle was trained on 128×96"),
    ],
)
def test_the_reason_names_the_fault(
    tmp_path: Path, change: Callable[[Pixels], Pixels], expected: str
) -> None:
    scene = np.ascontiguousarray(change(tiles(seed=9)))
    result = focus(tmp_path, lambda at_ns: scene, frames=3)
    assert result.outcome is StepOutcome.NO_GO
    assert expected in result.reason


def test_every_reason_has_its_own_remedy(tmp_path: Path) -> None:
    scene = lit(np.ascontiguousarray(tiles(seed=9)[:80]), 0.5)
    result = focus(tmp_path, lambda at_ns: scene, frames=3)
    what = [one.what for one in result.reasons]
    assert len(what) == 2
    assert what[0] == "pictures of 128×80 px, the bundle was trained on 128×96"
    assert what[1].startswith("mean ")
    assert result.reason == "; ".join(what)
    remedies = [one.remedy for one in result.reasons]
    assert "[camera] width and height to 128×96" in remedies[0]
    assert "exposure_us" in remedies[1]


def test_a_bundle_that_does_not_carry_its_pictures_size_is_go_with_a_note(tmp_path: Path) -> None:
    pictures = [tiles(size=(120, 160), seed=n) for n in range(3)]
    path = write_station(tmp_path, pictures=pictures, trained_on=None)
    result = run_focus(context_of(path, settings=CommissionSettings(frames=3)))
    assert result.outcome is StepOutcome.GO, result.reason
    assert any("160×120 px in grey: the bundle does not carry" in note for note in result.notes)


def test_light_that_pulses_with_the_mains_is_reported(tmp_path: Path) -> None:
    def scene(at_ns: int) -> Pixels:
        return lit(tiles(seed=9), 1 + 0.08 * np.sin(2 * np.pi * 100 * at_ns / 1e9))

    result = focus(tmp_path, scene, frames=40)
    assert result.outcome is StepOutcome.NO_GO
    assert result.reason.startswith("flicker ")
    assert "the light pulses at 100 Hz" in result.notes[0]
    assert "a whole multiple of 10 ms" in result.notes[0]


def test_a_missing_camera_is_no_go(tmp_path: Path) -> None:
    context = context_of(write_station(tmp_path))

    def gone() -> SimulatedCamera:
        raise DeviceError("camera /dev/video0: no such device")

    result = run_focus(replace(context, devices=replace(context.devices, camera=gone)))
    assert (result.outcome, result.reason) == (
        StepOutcome.NO_GO,
        "camera /dev/video0: no such device",
    )


def test_recorded_pictures_end_and_do_not_flicker(tmp_path: Path) -> None:
    path = write_station(tmp_path)
    path.write_text(path.read_text().replace("loop = true", "loop = false"))
    result = run_focus(context_of(path, settings=CommissionSettings(frames=20)))
    assert result.outcome is StepOutcome.GO, result.reason
    assert result.figure("pictures") == 8
    assert result.figure("flicker") is None


def test_a_triggered_camera_waits_for_parts(tmp_path: Path) -> None:
    path = write_station(tmp_path, trigger="parts = 3", rate_hz=100.0)
    context = context_of(path, settings=CommissionSettings(frames=20))
    camera = context.config.camera.model_copy(update={"triggered": True})
    result = run_focus(
        replace(context, config=context.config.model_copy(update={"camera": camera}))
    )
    assert result.figure("pictures") == 3  # as many as parts came


def test_the_live_page_is_served_until_the_operator_has_finished(tmp_path: Path) -> None:
    """The content of the page is tested in test_live_page."""
    import urllib.request

    lines: list[str] = []
    pages: list[bytes] = []

    class Looking(ScriptedOperator):
        def confirm(self, text: str) -> bool:
            (url,) = [line.split()[-1] for line in lines]
            with urllib.request.urlopen(f"{url}stream", timeout=60) as stream:
                pages.append(stream.read(600))
            return super().confirm(text)

    operator = Looking()
    context = context_of(
        write_station(tmp_path),
        operator=operator,
        print_line=lines.append,
        settings=CommissionSettings(browser=0),
    )
    result = run_focus(context)
    assert result.outcome is StepOutcome.GO
    assert b"image/jpeg" in pages[0]
    assert b"\xff\xd8\xff" in pages[0]
    assert "Put a good part under the camera" in operator.asked[0]


def test_without_a_page_the_live_picture_is_a_file(tmp_path: Path) -> None:
    class Looking(ScriptedOperator):
        def confirm(self, text: str) -> bool:
            import time

            until = time.monotonic() + 60
            while not (tmp_path / PICTURE).exists():
                assert time.monotonic() < until
                time.sleep(0.01)
            return True

    assert (
        run_focus(context_of(write_station(tmp_path), operator=Looking())).outcome is StepOutcome.GO
    )


def test_without_an_operator_the_page_is_served_for_a_short_time(tmp_path: Path) -> None:
    lines: list[str] = []
    context = context_of(
        write_station(tmp_path),
        operator=NoOperator(),
        print_line=lines.append,
        settings=CommissionSettings(browser=0, wait_s=0.3),
    )
    assert run_focus(context).outcome is StepOutcome.GO
    assert lines[0].startswith("live picture: http://127.0.0.1:")
