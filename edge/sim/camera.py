"""A simulated camera above the belt, with faults for chosen parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.errors import DeviceError, FrameError
from edge.records import Frame


class CameraFault(Enum):
    """A fault of the camera for one part."""

    EARLY = auto()
    """The last frame that began before the trigger of the part before, if there is one."""
    LAGGING = auto()
    """A frame that began between the trigger of the part before and its own."""
    REPEATED = auto()
    """The last frame again, with its time stamp."""
    FROZEN = auto()
    """The pixels of the last frame, with a new time stamp."""
    AHEAD = auto()
    """A frame that began ten frames late."""
    DAMAGED = auto()
    """No frame, because it was damaged in transfer."""
    SILENT = auto()
    """No frame, and no answer until the timeout."""


@dataclass(slots=True)
class SimulatedSensor:
    """The sensor of a simulated camera, which a test can unplug (``present``).

    Frames begin at whole multiples of frame_ns on the clock. Each is complete when the next one
    begins.
    """

    clock: Clock
    frame_ns: int = 5_000_000
    scene: Callable[[int], NDArray[np.uint8]] | None = None
    """Returns the pixels at a moment. Without it, each frame has its own grey level."""
    present: bool = True
    opened: int = 0
    """The number of cameras that are open on it."""

    def first_after(self, at_ns: int) -> int:
        """Return when the first frame at or after at_ns begins."""
        return -(-at_ns // self.frame_ns) * self.frame_ns

    def picture(self, exposed_ns: int) -> NDArray[np.uint8]:
        if self.scene is not None:
            return self.scene(exposed_ns)
        return np.full((8, 8), exposed_ns // self.frame_ns % 251, np.uint8)


@dataclass(slots=True)
class SimulatedCamera:
    """A Camera: the first frame that began after the trigger, or the fault for the part's number.

    Not simulated: noise, rolling shutter, motion, and jitter of the time stamps.
    """

    sensor: SimulatedSensor
    faults: Mapping[int, CameraFault] = field(default_factory=dict)
    timeout_ns: int = 100_000_000
    _last: Frame | None = None
    _before_ns: int | None = None
    _closed: bool = False

    def __post_init__(self) -> None:
        if not self.sensor.present:
            raise DeviceError("camera_simulated: is not there")
        self.sensor.opened += 1

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._closed:
            raise DeviceError("camera_simulated: capture after close")
        sensor, fault = self.sensor, self.faults.get(part_id)
        before_ns, self._before_ns = self._before_ns, triggered_ns
        if not sensor.present:
            raise DeviceError("camera_simulated: is unplugged")
        if fault is CameraFault.SILENT:
            sensor.clock.sleep_until_ns(triggered_ns + self.timeout_ns)
            raise DeviceError("camera_simulated: gives no frame")
        exposed_ns = sensor.first_after(triggered_ns)
        if self._last is not None:
            exposed_ns = max(exposed_ns, self._last.exposed_ns + sensor.frame_ns)
        if fault is CameraFault.AHEAD:
            exposed_ns += 10 * sensor.frame_ns
        elif fault is CameraFault.EARLY:
            limit_ns = triggered_ns if before_ns is None else before_ns
            exposed_ns = sensor.first_after(limit_ns) - sensor.frame_ns
        elif fault is CameraFault.LAGGING:
            exposed_ns = sensor.first_after(triggered_ns) - sensor.frame_ns
        sensor.clock.sleep_until_ns(exposed_ns + sensor.frame_ns)
        if fault is CameraFault.DAMAGED:
            raise FrameError("camera_simulated: a frame was damaged in transfer")
        pixels = sensor.picture(exposed_ns)
        if fault in (CameraFault.REPEATED, CameraFault.FROZEN) and self._last is not None:
            pixels = self._last.pixels
            exposed_ns = self._last.exposed_ns if fault is CameraFault.REPEATED else exposed_ns
        self._last = Frame(part_id, sequence, triggered_ns, exposed_ns, pixels)
        return self._last

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.sensor.opened -= 1
