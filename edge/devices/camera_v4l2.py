"""A camera with a driver of the Linux kernel (V4L2): USB cameras and many others."""

from __future__ import annotations

import ctypes
import errno
import mmap
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.devices import pixels, v4l2
from edge.devices.v4l2 import Buffer, BufferFlag, Control, Ioctl
from edge.errors import DeviceError, FrameError
from edge.records import Frame

_log = getLogger(__name__)

PixelFormat = Literal["grey", "yuyv", "mjpeg"]

# One buffer is filled, one waits, one is read, and one is spare for a reader that is late.
_BUFFERS = 4
# A smaller relative difference is rounding (a step of 100 µs at 400 µs); a larger one is an error.
_ROUNDED = 0.25
# Some drivers calculate stamps from a start and a rate, and are a little ahead of the clock (vivid:
# by half a frame). All stamps are corrected by the largest such difference.
_AHEAD_NS = 50_000_000
_FORMATS: dict[PixelFormat, tuple[str, Callable[..., NDArray[np.uint8]]]] = {
    "grey": ("GREY", pixels.grey),
    "yuyv": ("YUYV", pixels.yuyv),
    "mjpeg": ("MJPG", pixels.mjpeg),
}
# Automatic functions that are switched off, where a camera has them.
_AUTOMATIC = (Control.WHITE_BALANCE_AUTO, Control.FOCUS_AUTO)


@dataclass(frozen=True, slots=True)
class V4l2Settings:
    """The settings of a V4L2 camera.

    width, height: size of a frame in pixels. rate_hz: None is the default of the camera.
    exposure_us, gain: fixed values, gain in steps of the driver; None leaves them unchanged.
    triggered: a signal at the trigger input of the camera exposes each frame.
    latency_ns: longest time from the start of exposure to the stamp. None: 0 where the driver
    stamps the start of exposure, else one frame time plus the exposure time.
    early_ns: a frame may seem exposed by this much before the photo-eye's edge.
    timeout_ns: longest wait for a frame.
    """

    device: Path
    width: int
    height: int
    pixel_format: PixelFormat = "yuyv"
    rate_hz: float | None = None
    exposure_us: int | None = None
    gain: float | None = None
    triggered: bool = False
    latency_ns: int | None = None
    early_ns: int = 0
    timeout_ns: int = 1_000_000_000


class V4l2Camera:
    """A Camera with the stamps of the kernel on CLOCK_MONOTONIC.

    ``capture`` returns the first frame whose exposure began after the trigger. Older frames in the
    buffers of the kernel are skipped, so a stale frame is never returned; ``drained`` counts them.

    Raises DeviceError when the device is missing, is unplugged, is silent for longer than the
    timeout, uses another clock, or refuses a setting. Raises FrameError for a frame that the driver
    marks as damaged, and for a silent triggered camera, which may have missed one trigger only.
    """

    def __init__(
        self, settings: V4l2Settings, *, clock: Clock, calls: v4l2.VideoCalls | None = None
    ) -> None:
        """Open the device and start the stream. Blocks until the first frame, unless triggered."""
        self.drained = 0
        self._settings = settings
        self._clock = clock
        self._calls = calls or v4l2.LinuxVideoCalls()
        self._fourcc, self._decode = _FORMATS[settings.pixel_format]
        self._maps: list[mmap.mmap | bytearray] = []
        self._frame_ns: int | None = None
        self._ahead_ns = 0  # largest amount by which a stamp was ahead of the clock
        self._fd: int | None = None
        try:
            self._fd = self._calls.open(settings.device)
            self._start()
            if not settings.triggered:
                self._prove()
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        except DeviceError:
            self.close()
            raise

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._fd is None:
            raise DeviceError("camera_v4l2: capture after close")
        not_before_ns = triggered_ns - self._settings.early_ns
        until_ns = self._clock.now_ns() + self._settings.timeout_ns
        try:
            while True:
                buffer = self._take(until_ns)
                try:
                    exposed_ns = self._exposed_ns(buffer)
                    if exposed_ns >= not_before_ns:
                        picture = self._pixels(buffer)
                        by_ns = self._exposed_by_ns(buffer, exposed_ns)
                        return Frame(part_id, sequence, triggered_ns, exposed_ns, picture, by_ns)
                    self.drained += 1
                finally:
                    self._call(Ioctl.QBUF, buffer)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        with suppress(OSError):  # the device may be unplugged
            self._calls.ioctl(fd, Ioctl.STREAMOFF, ctypes.c_int(v4l2.CAPTURE))
        for mapped in self._maps:
            if isinstance(mapped, mmap.mmap):
                with suppress(BufferError):  # a traceback may still hold a view
                    mapped.close()
        self._calls.close(fd)

    def _start(self) -> None:
        self._require_capture()
        self._set_format()
        self._set_rate()
        self._fix_picture()
        wanted = v4l2.RequestBuffers(count=_BUFFERS, type=v4l2.CAPTURE, memory=v4l2.MMAP)
        self._call(Ioctl.REQBUFS, wanted)
        for index in range(wanted.count):
            buffer = Buffer(index=index, type=v4l2.CAPTURE, memory=v4l2.MMAP)
            self._call(Ioctl.QUERYBUF, buffer)
            assert self._fd is not None
            self._maps.append(self._calls.map(self._fd, buffer.length, buffer.offset))
            self._call(Ioctl.QBUF, buffer)
        self._call(Ioctl.STREAMON, ctypes.c_int(v4l2.CAPTURE))

    def _require_capture(self) -> None:
        able = v4l2.Capability()
        self._call(Ioctl.QUERYCAP, able)
        caps = able.capabilities
        if caps & v4l2.Cap.DEVICE_CAPS:
            caps = able.device_caps
        needed = v4l2.Cap.VIDEO_CAPTURE | v4l2.Cap.STREAMING
        if caps & needed != needed:
            raise self._refused(
                "does not capture video (a camera has several devices; try another)"
            )

    def _set_format(self) -> None:
        asked = self._settings
        given = v4l2.Format(
            type=v4l2.CAPTURE,
            width=asked.width,
            height=asked.height,
            pixelformat=v4l2.fourcc(self._fourcc),
            field=v4l2.FIELD_NONE,
        )
        self._call(Ioctl.S_FMT, given)
        code = given.pixelformat.to_bytes(4, "little").decode("latin-1")
        if (given.width, given.height, code) != (asked.width, asked.height, self._fourcc):
            wanted = f"{asked.width}×{asked.height} {self._fourcc}"
            raise self._refused(f"delivers {given.width}×{given.height} {code}, expected {wanted}")
        self._stride = given.bytesperline or asked.width

    def _set_rate(self) -> None:
        """Set the rate where one is configured, and read the frame time."""
        given = v4l2.StreamParameters(type=v4l2.CAPTURE)
        if self._settings.rate_hz is not None:
            given.seconds_numerator, given.seconds_denominator = (
                1000,
                round(self._settings.rate_hz * 1000),
            )
        try:
            self._call(Ioctl.S_PARM, given)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY) or self._settings.rate_hz:
                raise
            return
        if not given.seconds_denominator or not given.seconds_numerator:
            return
        self._frame_ns = 10**9 * given.seconds_numerator // given.seconds_denominator
        self._compare("rate_hz", self._settings.rate_hz, 1e9 / self._frame_ns)

    def _fix_picture(self) -> None:
        asked = self._settings
        for control in _AUTOMATIC:
            self._try_control(control, 0)
        if asked.exposure_us is not None:
            self._try_control(Control.EXPOSURE_AUTO, v4l2.EXPOSURE_MANUAL)
            self._try_control(Control.EXPOSURE_AUTO_PRIORITY, 0)
            taken = self._control("exposure", asked.exposure_us / 100, Control.EXPOSURE_ABSOLUTE)
            self._compare("exposure_us", asked.exposure_us, taken * 100)
        if asked.gain is not None:
            self._try_control(Control.GAIN_AUTO, 0)
            taken = self._control("gain", asked.gain, Control.GAIN, Control.ANALOGUE_GAIN)
            self._compare("gain", asked.gain, taken)

    def _control(self, name: str, value: float, *controls: Control) -> int:
        """Set the first of these controls that the camera has, and return its new value."""
        for control in controls:
            if self._try_control(control, max(0, round(value))):
                held = v4l2.ControlValue(id=control)
                self._call(Ioctl.G_CTRL, held)
                return int(held.value)
        raise self._refused(f"has no control for {name}: remove the key")

    def _try_control(self, control: Control, value: int) -> bool:
        """Set a control. Return False where the camera does not have it."""
        try:
            self._call(Ioctl.S_CTRL, v4l2.ControlValue(id=control, value=value))
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            if error.errno == errno.ERANGE:
                name = control.name.lower()
                raise self._refused(f"does not accept {name} {value}") from error
            raise
        return True

    def _compare(self, key: str, asked: float | None, taken: float) -> None:
        """Check a value that the kernel has rounded, possibly by much."""
        if asked is None:
            return
        if abs(taken - asked) > _ROUNDED * asked:
            raise self._refused(f"sets {key} to {taken:g} instead of {asked:g}")
        if abs(taken - asked) > 0.001 * asked:
            _log.warning("camera_rounds key=%s asked=%g taken=%g", key, asked, taken)

    def _prove(self) -> None:
        """Wait for a first frame, and check that its stamp is of this clock."""
        buffer = self._take(self._clock.now_ns() + self._settings.timeout_ns)
        age_s = (self._clock.now_ns() - self._exposed_ns(buffer)) / 1e9
        self._call(Ioctl.QBUF, buffer)
        if age_s > 10:
            raise self._refused(
                f"stamps a new frame as {age_s:.0f} s old: its clock is not CLOCK_MONOTONIC"
            )

    def _take(self, until_ns: int) -> Buffer:
        """Return the oldest filled buffer. Raises OSError when the device is unplugged."""
        buffer = Buffer(type=v4l2.CAPTURE, memory=v4l2.MMAP)
        while True:
            left_s = (until_ns - self._clock.now_ns()) / 1e9
            assert self._fd is not None
            if left_s <= 0 or not self._calls.wait(self._fd, left_s):
                raise self._silent()
            try:
                self._call(Ioctl.DQBUF, buffer)
            except BlockingIOError:
                continue
            return buffer

    def _silent(self) -> DeviceError | FrameError:
        reason = f"no fresh frame within {self._settings.timeout_ns / 1e6:g} ms"
        if self._settings.triggered:
            return FrameError(f"camera {self._settings.device}: {reason} of its trigger")
        return self._refused(f"delivers {reason}")

    def _exposed_ns(self, buffer: Buffer) -> int:
        """Return the earliest possible start of exposure, so that no stale frame seems fresh."""
        if buffer.flags & BufferFlag.STAMP_CLOCK != BufferFlag.STAMP_MONOTONIC:
            raise self._refused("does not stamp its frames with CLOCK_MONOTONIC")
        stamp_ns = int(buffer.stamp_s) * 10**9 + int(buffer.stamp_us) * 1000
        ahead_ns = stamp_ns - self._clock.now_ns()
        if ahead_ns > _AHEAD_NS:
            raise self._refused("stamps a frame in the future: its clock is not CLOCK_MONOTONIC")
        self._ahead_ns = max(self._ahead_ns, ahead_ns)
        latency_ns = self._settings.latency_ns
        if latency_ns is None:
            latency_ns = self._latency_ns(buffer.flags)
        return stamp_ns - self._ahead_ns - latency_ns

    def _exposed_by_ns(self, buffer: Buffer, exposed_ns: int) -> int | None:
        """Return the latest possible start of exposure; None where the stamp is the start itself.

        Where the stamp is the end of a frame, the read-out took any time up to one frame time.
        """
        if buffer.flags & BufferFlag.STAMP_OF == BufferFlag.STAMP_OF_EXPOSURE:
            return None
        stamp_ns = int(buffer.stamp_s) * 10**9 + int(buffer.stamp_us) * 1000
        return max(exposed_ns, stamp_ns - (self._settings.exposure_us or 0) * 1000)

    def _latency_ns(self, flags: int) -> int:
        if flags & BufferFlag.STAMP_OF == BufferFlag.STAMP_OF_EXPOSURE:
            return 0
        if self._frame_ns is None:
            raise self._refused(
                "stamps the end of a frame, and its rate is not known: set latency_ms"
            )
        return self._frame_ns + (self._settings.exposure_us or 0) * 1000

    def _pixels(self, buffer: Buffer) -> NDArray[np.uint8]:
        if buffer.flags & BufferFlag.ERROR:
            raise FrameError(f"camera {self._settings.device}: a frame was damaged in transfer")
        with memoryview(self._maps[buffer.index]) as whole, whole[: buffer.bytesused] as used:
            data = bytes(used)
        return self._decode(
            data, width=self._settings.width, height=self._settings.height, stride=self._stride
        )

    def _call(self, request: Ioctl, argument: ctypes.Structure | ctypes.c_int) -> None:
        assert self._fd is not None
        self._calls.ioctl(self._fd, request, argument)

    def _refused(self, reason: str) -> DeviceError:
        return DeviceError(f"camera {self._settings.device}: {reason}")

    def _failed(self, error: OSError) -> DeviceError:
        if error.errno == errno.ENODEV:
            return self._refused("is unplugged")
        if error.errno == errno.EBUSY:
            return self._refused("is used by another process")
        return self._refused((error.strerror or str(error)).lower())
