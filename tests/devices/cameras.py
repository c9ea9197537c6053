"""Every camera, and what a test needs to know of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.clock import MonotonicClock
from edge.devices.camera import Camera
from edge.devices.camera_files import FilesCamera
from edge.devices.camera_pi import PiCamera, PiSettings
from edge.devices.camera_reopening import ReopeningCamera
from edge.devices.camera_stream import StreamCamera
from edge.devices.camera_v4l2 import V4l2Camera, V4l2Settings
from edge.devices.camera_video import VideoCamera
from edge.sim.camera import SimulatedCamera, SimulatedSensor
from tests.devices.clocks import FakeClock
from tests.devices.fake_picamera2 import FakeSensor
from tests.devices.fake_v4l2 import FakeVideo
from tests.devices.streams import JpegStream

CLOCK = MonotonicClock()
FRAMES = 3


@dataclass
class CameraRig:
    """A camera, the clock of its stamps and the time that passes between two parts."""

    camera: Camera
    now_ns: Callable[[], int]
    pause: Callable[[], None] = lambda: None


def picture(number: int) -> np.ndarray:
    return np.full((48, 64, 3), 40 * (number + 1), dtype=np.uint8)


def folder(at: Path) -> Path:
    (at / "in").mkdir(parents=True)
    for number in range(FRAMES):
        cv2.imwrite(str(at / "in" / f"{number}.png"), picture(number))
    return at


def video(at: Path, frames: int = FRAMES) -> Path:
    path = at / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(frames):
        writer.write(picture(number % 5))
    writer.release()
    return path


RECORDED: dict[str, Callable[[Path, bool], Camera]] = {
    "files": lambda at, loop: FilesCamera(folder(at), clock=CLOCK, loop=loop),
    "video": lambda at, loop: VideoCamera(video(at), clock=CLOCK, loop=loop),
}


def recorded(kind: str) -> Callable[[Path], Iterator[CameraRig]]:
    def make(at: Path) -> Iterator[CameraRig]:
        yield CameraRig(RECORDED[kind](at, True), CLOCK.now_ns)

    return make


def v4l2(pixel_format: str, **given: object) -> Callable[[Path], Iterator[CameraRig]]:
    """On a device that is not there. Parts come 13 ms apart, frames every 20 ms."""

    def make(at: Path) -> Iterator[CameraRig]:
        video = FakeVideo(**given)  # type: ignore[arg-type]
        settings = V4l2Settings(video.path, video.width, video.height, pixel_format)  # type: ignore[arg-type]
        camera = V4l2Camera(settings, clock=video.clock, calls=video)

        def pause() -> None:
            video.clock.ns += 13_000_000

        yield CameraRig(camera, video.clock.now_ns, pause)

    return make


def pi(pixel_format: str) -> Callable[[Path], Iterator[CameraRig]]:
    """On a stand-in for picamera2, which is needed while the camera is opened only."""

    def make(at: Path) -> Iterator[CameraRig]:
        sensor = FakeSensor()
        settings = PiSettings(48, 32, pixel_format=pixel_format)  # type: ignore[arg-type]
        with pytest.MonkeyPatch.context() as patch:
            sensor.install(patch)
            camera = PiCamera(settings, clock=sensor.clock, boottime_ns=sensor.boottime_ns)

        def pause() -> None:
            sensor.clock.ns += 13_000_000

        yield CameraRig(camera, sensor.clock.now_ns, pause)

    return make


def stream(at: Path) -> Iterator[CameraRig]:
    served = JpegStream()
    camera = StreamCamera(served.url, latency_ns=0, timeout_ns=3_000_000_000, clock=CLOCK)
    yield CameraRig(camera, CLOCK.now_ns, lambda: time.sleep(0.005))
    camera.close()
    served.close()


def vivid(pixel_format: str) -> Callable[[Path], Iterator[CameraRig]]:
    """On a real device of the kernel: vivid, or whatever /dev/video0 is."""

    def make(at: Path) -> Iterator[CameraRig]:
        device = Path("/dev/video0")
        if not device.exists():
            pytest.skip(f"no camera: {device} is not there (modprobe vivid)")
        settings = V4l2Settings(device, 640, 480, pixel_format)  # type: ignore[arg-type]
        camera = V4l2Camera(settings, clock=CLOCK)
        yield CameraRig(camera, CLOCK.now_ns, lambda: time.sleep(0.05))

    return make


def simulated(at: Path) -> Iterator[CameraRig]:
    sensor = SimulatedSensor(FakeClock())
    yield CameraRig(SimulatedCamera(sensor), sensor.clock.now_ns, partial(_step, sensor))


def reopening(at: Path) -> Iterator[CameraRig]:
    sensor = SimulatedSensor(FakeClock())
    camera = ReopeningCamera(partial(SimulatedCamera, sensor), retry_max_s=1)
    yield CameraRig(camera, sensor.clock.now_ns, partial(_step, sensor))


def _step(sensor: SimulatedSensor) -> None:
    sensor.clock.sleep_until_ns(sensor.clock.now_ns() + 13_000_000)


CAMERAS: dict[str, Callable[[Path], Iterator[CameraRig]]] = {
    "simulated": simulated,
    "reopening": reopening,
    "files": recorded("files"),
    "video": recorded("video"),
    "v4l2 grey": v4l2("grey", padding=8),
    "v4l2 yuyv": v4l2("yuyv"),
    "v4l2 mjpeg": v4l2("mjpeg"),
    "v4l2 end of frame": v4l2("grey", stamp_flags=0x2000),
    "pi bgr": pi("bgr"),
    "pi grey": pi("grey"),
    "stream": stream,
    "vivid grey": vivid("grey"),
    "vivid yuyv": vivid("yuyv"),
}
