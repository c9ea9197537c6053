"""Stands in for picamera2, which cannot be imported without the libcamera of Raspberry Pi OS.

It behaves as picamera2's event loop does, on a clock that the test moves. Frames complete by
themselves, and the newest one is kept. A caller that asks for a request gets that frame or the next
one. A request that is never released leaves one buffer less. A request that no caller fetched in
time is still delivered later.
"""

from __future__ import annotations

import sys
import types
from collections import deque
from concurrent.futures import TimeoutError as JobTimeoutError
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.devices.clocks import MS, FakeClock


@dataclass
class FakeSensor:
    """One camera of a board. Exposures begin every frame_ns; the stamp is exposure_us later, as the
    first line is read out; the picture is there transfer_ns after that.

    asleep_ns: how long the board has slept; boottime: whether the stamps count that. pulses: of a
    triggered sensor, when it exposes.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    frame_ns: int = 20 * MS
    transfer_ns: int = 10 * MS
    exposure_us: int = 2_000
    gain: float = 1.0
    stride: int = 64
    asleep_ns: int = 0
    boottime: bool = True
    pulses: deque[int] | None = None
    present: bool = True
    silent: bool = False
    size: tuple[int, int] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    taken: bool = False
    controls: dict[str, Any] = field(default_factory=dict)
    format: str = ""
    held: int = 0

    def boottime_ns(self) -> int:
        return self.clock.ns + self.asleep_ns

    def install(self, monkeypatch) -> FakeSensor:
        module = types.ModuleType("picamera2")
        sensor = self

        class Picamera2(FakePicamera2):
            def __init__(self, camera_num: int = 0) -> None:
                super().__init__(sensor, camera_num)

        module.Picamera2 = Picamera2  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "picamera2", module)
        return self


class FakePicamera2:
    def __init__(self, sensor: FakeSensor, camera_num: int) -> None:
        if camera_num != 0 or not sensor.present:
            raise IndexError("list index out of range")
        if sensor.taken:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        self.sensor = sensor
        sensor.taken = True
        self.next_ns: int | None = None
        self.kept: FakeRequest | None = None
        self.number = 0

    def create_video_configuration(
        self, main: dict[str, Any], controls: dict[str, Any], buffer_count: int, **_: object
    ) -> dict[str, Any]:
        return {"main": dict(main), "controls": controls, "buffer_count": buffer_count}

    def configure(self, configuration: dict[str, Any]) -> None:
        width, height = configuration["main"]["size"]
        if width % 2 or height % 2:
            raise RuntimeError("width and height should be even")
        self.main = configuration["main"]
        self.buffers = configuration["buffer_count"]
        self.sensor.controls = configuration["controls"]
        self.sensor.format = self.main["format"]
        if self.sensor.size is not None:
            self.main["size"] = self.sensor.size

    def camera_configuration(self) -> dict[str, Any]:
        return {"main": self.main}

    def start(self) -> None:
        self.next_ns = self.sensor.clock.ns

    def stop(self) -> None:
        if not self.sensor.present:
            raise RuntimeError("Camera frontend has timed out")
        self.next_ns = None

    def close(self) -> None:
        self.sensor.taken = False

    def capture_request(self, wait: bool) -> FakeJob:
        assert wait is False
        return FakeJob(self)

    def run(self, until_ns: int) -> bool:
        """Let time pass until a frame is kept; False when there is none by then."""
        sensor = self.sensor
        while True:
            begin_ns = self.next_ns
            if sensor.pulses is not None:
                begin_ns = sensor.pulses[0] if sensor.pulses else None
            if sensor.silent or not sensor.present or sensor.held >= self.buffers:
                begin_ns = None
            after_ns = sensor.exposure_us * 1000 + sensor.transfer_ns
            if begin_ns is None or begin_ns + after_ns > max(until_ns, sensor.clock.ns):
                return self.kept is not None
            if self.kept is not None and begin_ns + after_ns > sensor.clock.ns:
                return True
            sensor.clock.ns = max(sensor.clock.ns, begin_ns + after_ns)
            if sensor.pulses is not None:
                sensor.pulses.popleft()
            else:
                self.next_ns = begin_ns + sensor.frame_ns
            self.number += 1
            self.kept = FakeRequest(self, self.number, begin_ns)


class FakeJob:
    def __init__(self, camera: FakePicamera2) -> None:
        self.camera = camera

    def get_result(self, timeout: float) -> FakeRequest:
        clock = self.camera.sensor.clock
        until_ns = clock.ns + round(timeout * 1e9)
        if not self.camera.run(until_ns):
            clock.ns = until_ns
            raise JobTimeoutError
        request, self.camera.kept = self.camera.kept, None
        assert request is not None
        self.camera.sensor.held += 1
        return request


class FakeRequest:
    def __init__(self, camera: FakePicamera2, number: int, began_ns: int) -> None:
        self.camera, self.number, self.began_ns = camera, number, began_ns

    def get_metadata(self) -> dict[str, Any]:
        sensor = self.camera.sensor
        stamp_ns = self.began_ns + sensor.exposure_us * 1000
        said = {
            "SensorTimestamp": stamp_ns + (sensor.asleep_ns if sensor.boottime else 0),
            "ExposureTime": sensor.exposure_us,
            "AnalogueGain": sensor.gain,
        }
        return {key: value for key, value in (said | sensor.extra).items() if value is not None}

    def make_array(self, name: str) -> np.ndarray:
        width, height = self.camera.main["size"]
        level = self.number % 200 + 20
        if self.camera.main["format"] == "YUV420":
            planes = np.full((height * 3 // 2, self.camera.sensor.stride), 128, np.uint8)
            planes[:height, :width] = level
            return planes
        assert self.camera.main["format"] == "RGB888"
        return np.full((height, width, 3), level, np.uint8)

    def release(self) -> None:
        self.camera.sensor.held -= 1
