"""A camera of a Raspberry Pi, by picamera2."""

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

# libcamera names formats by the order in a 32-bit word: RGB888 is blue, green, red in memory.
_FORMATS: dict[PiPixelFormat, str] = {"bgr": "RGB888", "grey": "YUV420"}
_BUFFERS = 4
_SAME_CLOCK_NS = 1_000_000  # CLOCK_BOOTTIME less CLOCK_MONOTONIC where the board never slept
_NEW_NS = 10_000_000_000
# What picamera2 and libcamera raise where a camera is missing, taken or refuses a setting.
_FAILURES = (RuntimeError, OSError, LookupError, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class PiSettings:
    """index: of the camera, as `rpicam-hello --list-cameras` prints it. width, height: even.

    exposure_us with gain: fixed; both None: the camera's own automatic. colour_gains: red and blue
    against green; white balance is never automatic. rate_hz: None is 30. triggered: a pulse on the
    sensor's trigger pin exposes a frame. early_ns: how much before the photo-eye's stamp a frame
    may seem exposed. timeout_ns: the longest wait for a frame.
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
    """Frames with the sensor's stamps, brought to CLOCK_MONOTONIC.

    ``exposed_ns`` is when the first line began to be exposed: SensorTimestamp, which is taken as
    the first line is read out, less ExposureTime. Later lines of a rolling shutter follow by up to
    the read-out time. ``capture`` gives the first frame exposed after the trigger; older ones that
    picamera2 holds are handed back (``drained``). Raises DeviceError when the camera is missing,
    taken, silent for longer than the timeout, or has an unknown clock; a triggered one that is
    silent is a FrameError, since it may only have missed one trigger.
    """

    def __init__(
        self,
        settings: PiSettings,
        *,
        clock: Clock,
        boottime_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
    ) -> None:
        """Streams from here on; blocks for about a second. Raises ConfigError where picamera2 is
        not installed: it needs the system's libcamera."""
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
        self._job: Any = None  # a request that was asked for and has not come yet
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
        except _FAILURES as error:  # it may be gone
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
            raise self._refused(f"gives {given['size']} pixels, asked for {size}")
        self._camera.start()

    def _prove(self) -> None:
        """A first frame, its stamp, and whether the camera took the settings."""
        request = self._take(self._clock.now_ns() + self._settings.timeout_ns)
        try:
            said = request.get_metadata()
            self._exposed_ns(said)
        finally:
            request.release()
        for key, name in (("exposure_us", "ExposureTime"), ("gain", "AnalogueGain")):
            asked, taken = getattr(self._settings, key), said.get(name)
            if asked is not None and taken is not None and abs(taken - asked) > 0.02 * asked:
                _log.warning("camera_rounds key=%s asked=%g taken=%g", key, asked, taken)

    def _take(self, until_ns: int) -> Any:
        """The next request. One that does not come in time is still asked for: picamera2 would
        hand it to nobody, and after four of those it has no buffer left."""
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
            raise self._refused(f"gives {limit}") from error
        self._job = None
        return request

    def _exposed_ns(self, said: dict[str, Any]) -> int:
        stamp_ns, exposure_us = said.get("SensorTimestamp"), said.get("ExposureTime")
        if stamp_ns is None or exposure_us is None:
            raise self._refused("does not say when its frames were exposed")
        began_ns = monotonic(int(stamp_ns), self._clock.now_ns(), self._boottime_ns())
        if began_ns is None:
            raise self._refused("stamps its frames by an unknown clock")
        return began_ns - int(exposure_us) * 1000

    def _pixels(self, request: Any) -> NDArray[np.uint8]:
        array = request.make_array("main")
        if self._settings.pixel_format == "grey":
            array = array[: self._settings.height, : self._settings.width]  # the luma of YUV 4:2:0
        return np.ascontiguousarray(array, np.uint8)

    def _refused(self, reason: str) -> DeviceError:
        return DeviceError(f"camera {self._settings.index}: {reason}")


def monotonic(stamp_ns: int, now_ns: int, boottime_ns: int) -> int | None:
    """A stamp of a frame that has just come, on CLOCK_MONOTONIC; None: it is of neither clock.

    libcamera says that SensorTimestamp is CLOCK_BOOTTIME, and its drivers hand through what the
    kernel stamps buffers with, which is CLOCK_MONOTONIC. The two are the same until a board sleeps
    for the first time. After that the one is taken that makes the frame new, and of two that do,
    the earlier: a frame is rather called stale than fresh.
    """
    asleep_ns = boottime_ns - now_ns
    candidates = [stamp_ns] if asleep_ns < _SAME_CLOCK_NS else [stamp_ns - asleep_ns, stamp_ns]
    for candidate_ns in candidates:
        if -_SAME_CLOCK_NS < now_ns - candidate_ns < _NEW_NS:
            return min(candidate_ns, now_ns)
    # One that was held while nothing moved is old on both clocks.
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
