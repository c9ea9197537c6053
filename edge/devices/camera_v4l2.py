"""A camera of the Linux kernel: USB cameras, and many others."""

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

# 4: one is filled, one waits to be, one is read, and one for a reader that is late by a frame.
_BUFFERS = 4
# A step of 100 µs is a quarter of 400: nearer than that is rounding, farther is another picture.
_ROUNDED = 0.25
# Some drivers reckon their stamps from a rate and a beginning and are a little ahead of the clock
# (vivid: by half a frame). All stamps are taken for that much too late.
_AHEAD_NS = 50_000_000
_FORMATS: dict[PixelFormat, tuple[str, Callable[..., NDArray[np.uint8]]]] = {
    "grey": ("GREY", pixels.grey),
    "yuyv": ("YUYV", pixels.yuyv),
    "mjpeg": ("MJPG", pixels.mjpeg),
}
# What a fixed picture needs to be off, where a camera has it at all.
_AUTOMATIC = (Control.WHITE_BALANCE_AUTO, Control.FOCUS_AUTO)


@dataclass(frozen=True, slots=True)
class V4l2Settings:
    """width, height, rate_hz: of the frames; a rate of None is the camera's own.

    exposure_us, gain: fixed, gain in the driver's own steps; None leaves it as the camera is.
    triggered: a frame comes only when the camera's own trigger input says so. latency_ns: how long
    before its stamp the exposure began at the latest; None: 0 where the driver says that it stamps
    the start of exposure, else a frame's time and the exposure. early_ns: how much before the
    photo-eye's stamp a frame may seem exposed. timeout_ns: the longest wait for a frame.
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
    """Frames with the kernel's stamps on CLOCK_MONOTONIC.

    ``capture`` gives the first frame whose exposure began after the trigger. What the kernel's
    buffers held from before is taken out and handed back to it first, so a stale frame is never
    returned: ``drained`` counts them. Raises DeviceError when the device is missing, gone, silent
    for longer than the timeout, stamps by another clock, or will not do what the settings say; a
    triggered camera that is silent is a FrameError, since it may only have missed one trigger.
    FrameError too for a frame that the driver calls damaged.
    """

    def __init__(
        self, settings: V4l2Settings, *, clock: Clock, calls: v4l2.VideoCalls | None = None
    ) -> None:
        """Streams from here on. Blocks until the first frame, but not for a triggered camera."""
        self.drained = 0
        self._settings = settings
        self._clock = clock
        self._calls = calls or v4l2.LinuxVideoCalls()
        self._fourcc, self._decode = _FORMATS[settings.pixel_format]
        self._maps: list[mmap.mmap | bytearray] = []
        self._frame_ns: int | None = None
        self._ahead_ns = 0  # the most by which a stamp was ahead of the clock
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
        with suppress(OSError):  # it may be gone
            self._calls.ioctl(fd, Ioctl.STREAMOFF, ctypes.c_int(v4l2.CAPTURE))
        for mapped in self._maps:
            if isinstance(mapped, mmap.mmap):
                with suppress(BufferError):  # a traceback holds a view; it goes with that
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
            raise self._refused("is no device that captures (a camera has several; try another)")

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
            raise self._refused(f"gives {given.width}×{given.height} {code}, asked for {wanted}")
        self._stride = given.bytesperline or asked.width

    def _set_rate(self) -> None:
        """The frame's time becomes known, whether or not a rate was asked for."""
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
        """Set the first of these that the camera has; what it then holds."""
        for control in controls:
            if self._try_control(control, max(0, round(value))):
                held = v4l2.ControlValue(id=control)
                self._call(Ioctl.G_CTRL, held)
                return int(held.value)
        raise self._refused(f"has no control of its {name}: leave the key out")

    def _try_control(self, control: Control, value: int) -> bool:
        """False where the camera has no such control."""
        try:
            self._call(Ioctl.S_CTRL, v4l2.ControlValue(id=control, value=value))
        except OSError as error:
            if error.errno == errno.EINVAL:
                return False
            if error.errno == errno.ERANGE:
                name = control.name.lower()
                raise self._refused(f"cannot do {name} {value}") from error
            raise
        return True

    def _compare(self, key: str, asked: float | None, taken: float) -> None:
        """The kernel rounds what a camera cannot do to what it can, however far that is."""
        if asked is None:
            return
        if abs(taken - asked) > _ROUNDED * asked:
            raise self._refused(f"takes {taken:g} for {key} {asked:g}")
        if abs(taken - asked) > 0.001 * asked:
            _log.warning("camera_rounds key=%s asked=%g taken=%g", key, asked, taken)

    def _prove(self) -> None:
        """A first frame, and a stamp that can be one of this clock."""
        buffer = self._take(self._clock.now_ns() + self._settings.timeout_ns)
        age_s = (self._clock.now_ns() - self._exposed_ns(buffer)) / 1e9
        self._call(Ioctl.QBUF, buffer)
        if age_s > 10:
            raise self._refused(f"stamps a new frame {age_s:.0f} s ago: not CLOCK_MONOTONIC")

    def _take(self, until_ns: int) -> Buffer:
        """The oldest filled buffer. Raises OSError when the device is gone."""
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
        return self._refused(f"gives {reason}")

    def _exposed_ns(self, buffer: Buffer) -> int:
        """When the exposure began, at the latest so early: stale rather than wrong."""
        if buffer.flags & BufferFlag.STAMP_CLOCK != BufferFlag.STAMP_MONOTONIC:
            raise self._refused("stamps its frames by no clock that can be compared")
        stamp_ns = int(buffer.stamp_s) * 10**9 + int(buffer.stamp_us) * 1000
        ahead_ns = stamp_ns - self._clock.now_ns()
        if ahead_ns > _AHEAD_NS:
            raise self._refused("stamps a frame in the future: not CLOCK_MONOTONIC")
        self._ahead_ns = max(self._ahead_ns, ahead_ns)
        latency_ns = self._settings.latency_ns
        if latency_ns is None:
            latency_ns = self._latency_ns(buffer.flags)
        return stamp_ns - self._ahead_ns - latency_ns

    def _exposed_by_ns(self, buffer: Buffer, exposed_ns: int) -> int | None:
        """When the exposure began at the latest, where the stamp is of the end of a frame: a frame
        is read out in any time up to its own."""
        if buffer.flags & BufferFlag.STAMP_OF == BufferFlag.STAMP_OF_EXPOSURE:
            return None
        stamp_ns = int(buffer.stamp_s) * 10**9 + int(buffer.stamp_us) * 1000
        return max(exposed_ns, stamp_ns - (self._settings.exposure_us or 0) * 1000)

    def _latency_ns(self, flags: int) -> int:
        if flags & BufferFlag.STAMP_OF == BufferFlag.STAMP_OF_EXPOSURE:
            return 0
        if self._frame_ns is None:
            raise self._refused("stamps the end of a frame and has no known rate: set latency_ms")
        return self._frame_ns + (self._settings.exposure_us or 0) * 1000

    def _pixels(self, buffer: Buffer) -> NDArray[np.uint8]:
        if buffer.flags & BufferFlag.ERROR:
            raise FrameError(f"camera {self._settings.device}: a frame was damaged on its way")
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
            return self._refused("is used by somebody else")
        return self._refused((error.strerror or str(error)).lower())
