"""A camera of a Raspberry Pi, through picamera2."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as JobTimeoutError
from dataclasses import dataclass
from logging import getLogger
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.errors import ConfigError, DeviceError, FrameError
from edge.records import Frame

_log = getLogger(__name__)

PiPixelFormat = Literal["bgr", "grey"]

# libcamera names formats by their order in a 32-bit word: RGB888 is blue, green, red in memory.
_FORMATS: dict[PiPixelFormat, str] = {"bgr": "RGB888", "grey": "YUV420"}
_BUFFERS = 4
_SAME_CLOCK_NS = 1_000_000  # CLOCK_BOOTTIME less CLOCK_MONOTONIC where the board never slept
_NEW_NS = 10_000_000_000
# Errors of picamera2 and libcamera for a camera that is missing or used, or that refuses a setting.
_FAILURES = (RuntimeError, OSError, LookupError, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class PiSettings:
    """The settings of a Raspberry Pi camera.

    index: number of the camera, as `rpicam-hello --list-cameras` prints it.
    width, height: size of a frame in pixels, even numbers.
    exposure_us, gain: fixed values; both None: automatic exposure.
    colour_gains: gains of red and blue relative to green. White balance is never automatic.
    rate_hz: None is 30. triggered: a pulse on the trigger pin of the sensor exposes a frame.
    early_ns: a frame may seem exposed by this much before the photo-eye's edge.
    timeout_ns: longest wait for a frame.
    """

    width: int
    height: int
    index: int = 0
    pixel_format: PiPixelFormat = "bgr"
    rate_hz: float | None = None
    exposure_us: int | None = None
    gain: float | None = None
    colour_gains: tuple[float, float] = (1.0, 1.0)
    triggered: bool = False
    early_ns: int = 0
    timeout_ns: int = 1_000_000_000


class PiCamera:
    """A Camera with the stamps of the sensor, converted to CLOCK_MONOTONIC.

    ``exposed_ns`` is the start of exposure of the first line: SensorTimestamp, which is the
    read-out of the first line, minus ExposureTime. Later lines of a rolling shutter follow within
    the read-out time. ``capture`` returns the first frame exposed after the trigger. Older frames
    of picamera2 are skipped; ``drained`` counts them.

    Raises DeviceError when the camera is missing, is used by another process, is silent for longer
    than the timeout, or has an unknown clock. Raises FrameError for a silent triggered camera,
    which may have missed one trigger only.
    """

    def __init__(
        self,
        settings: PiSettings,
        *,
        clock: Clock,
        boottime_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
    ) -> None:
        """Open the camera and start the stream. Blocks for about a second.

        Raises ConfigError where picamera2 is not installed; it needs libcamera of the system.
        """
        try:
            from picamera2 import Picamera2
        except ImportError as error:
            raise ConfigError(
                f"kind 'pi' needs picamera2 (apt install python3-picamera2): {error}"
            ) from error
        self.drained = 0
        self._settings = settings
        self._clock = clock
        self._boottime_ns = boottime_ns
        self._job: Any = None  # a request that is still pending
        self._camera: Any = None
        try:
            self._camera = Picamera2(settings.index)
            self._start()
            if not settings.triggered:
                self._prove()
        except _FAILURES as error:
            self.close()
            raise self._refused(f"cannot be started: {error}") from error
        except DeviceError:
            self.close()
            raise

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._camera is None:
            raise DeviceError("camera_pi: capture after close")
        not_before_ns = triggered_ns - self._settings.early_ns
        until_ns = self._clock.now_ns() + self._settings.timeout_ns
        try:
            while True:
                request = self._take(until_ns)
                try:
                    exposed_ns = self._exposed_ns(request.get_metadata())
                    if exposed_ns >= not_before_ns:
                        pixels = self._pixels(request)
                        return Frame(part_id, sequence, triggered_ns, exposed_ns, pixels)
                    self.drained += 1
                finally:
                    request.release()
        except _FAILURES as error:
            raise self._refused(f"failed: {error}") from error

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is None:
            return
        try:
            camera.stop()
            camera.close()
        except _FAILURES as error:  # the camera may be unplugged
            _log.warning("camera_not_closed index=%s reason=%s", self._settings.index, error)

    def _start(self) -> None:
        asked = self._settings
        size = (asked.width, asked.height)
        configuration = self._camera.create_video_configuration(
            main={"size": size, "format": _FORMATS[asked.pixel_format]},
            controls=_controls(asked),
            buffer_count=_BUFFERS,
            display=None,
            encode=None,
        )
        self._camera.configure(configuration)
        given = self._camera.camera_configuration()["main"]
        if tuple(given["size"]) != size:
            raise self._refused(f"delivers {given['size']} pixels, expected {size}")
        self._camera.start()

    def _prove(self) -> None:
        """Check a first frame: its stamp, and the exposure and gain that the camera uses."""
        request = self._take(self._clock.now_ns() + self._settings.timeout_ns)
        try:
            metadata = request.get_metadata()
            self._exposed_ns(metadata)
        finally:
            request.release()
        for key, name in (("exposure_us", "ExposureTime"), ("gain", "AnalogueGain")):
            asked, taken = getattr(self._settings, key), metadata.get(name)
            if asked is not None and taken is not None and abs(taken - asked) > 0.02 * asked:
                _log.warning("camera_rounds key=%s asked=%g taken=%g", key, asked, taken)

    def _take(self, until_ns: int) -> Any:
        """Return the next request.

        A request that is late stays pending. Otherwise picamera2 would lose it, and after four of
        them it has no buffer left.
        """
        if self._job is None:
            self._job = self._camera.capture_request(wait=False)
        left_s = max(0.0, (until_ns - self._clock.now_ns()) / 1e9)
        try:
            request = self._job.get_result(timeout=left_s)
        except JobTimeoutError as error:
            limit = f"no fresh frame within {self._settings.timeout_ns / 1e6:g} ms"
            if self._settings.triggered:
                name = f"camera {self._settings.index}"
                raise FrameError(f"{name}: {limit} of its trigger") from error
            raise self._refused(f"delivers {limit}") from error
        self._job = None
        return request

    def _exposed_ns(self, metadata: dict[str, Any]) -> int:
        stamp_ns, exposure_us = metadata.get("SensorTimestamp"), metadata.get("ExposureTime")
        if stamp_ns is None or exposure_us is None:
            raise self._refused("does not report the time of exposure")
        began_ns = monotonic(int(stamp_ns), self._clock.now_ns(), self._boottime_ns())
        if began_ns is None:
            raise self._refused("stamps its frames with an unknown clock")
        return began_ns - int(exposure_us) * 1000

    def _pixels(self, request: Any) -> NDArray[np.uint8]:
        array = request.make_array("main")
        if self._settings.pixel_format == "grey":
            array = array[: self._settings.height, : self._settings.width]  # the luma of YUV 4:2:0
        return np.ascontiguousarray(array, np.uint8)

    def _refused(self, reason: str) -> DeviceError:
        return DeviceError(f"camera {self._settings.index}: {reason}")


def monotonic(stamp_ns: int, now_ns: int, boottime_ns: int) -> int | None:
    """Return the stamp of a new frame on CLOCK_MONOTONIC, or None for an unknown clock.

    The documentation of libcamera states that SensorTimestamp is CLOCK_BOOTTIME. Its drivers pass
    on the stamps of the kernel, which are CLOCK_MONOTONIC. The two are equal until a board sleeps
    for the first time. After that, the clock is used that makes the frame new. If both do, the
    earlier time is used, so that no stale frame seems fresh.
    """
    asleep_ns = boottime_ns - now_ns
    candidates = [stamp_ns] if asleep_ns < _SAME_CLOCK_NS else [stamp_ns - asleep_ns, stamp_ns]
    for candidate_ns in candidates:
        if -_SAME_CLOCK_NS < now_ns - candidate_ns < _NEW_NS:
            return min(candidate_ns, now_ns)
    # A frame that was held for long is old on both clocks.
    old = [one for one in candidates if one < now_ns]
    return min(old) if old else None


def _controls(asked: PiSettings) -> dict[str, Any]:
    controls: dict[str, Any] = {"AwbEnable": False, "ColourGains": asked.colour_gains}
    if asked.exposure_us is not None and asked.gain is not None:
        controls |= {
            "AeEnable": False,
            "ExposureTime": asked.exposure_us,
            "AnalogueGain": asked.gain,
        }
    if asked.rate_hz is not None:
        frame_us = round(1e6 / asked.rate_hz)
        controls["FrameDurationLimits"] = (frame_us, frame_us)
    return controls
