"""The part of the Linux video capture interface (V4L2) that a camera needs, with ctypes.

Layouts and numbers are those of linux/videodev2.h on 64-bit machines. tests/devices/test_v4l2.py
compares them with the header where a compiler exists. OpenCV reads such cameras too, but hides the
time stamps of the kernel, without which a stale frame cannot be recognised.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Protocol

CAPTURE, MMAP, FIELD_NONE = 1, 1, 1  # buffer type, memory, field


class Cap(IntFlag):
    """The capabilities of a device."""

    VIDEO_CAPTURE = 0x0000_0001
    STREAMING = 0x0400_0000
    DEVICE_CAPS = 0x8000_0000  # device_caps holds those of this device, capabilities those of all


class BufferFlag(IntFlag):
    """The flags of a filled buffer. STAMP_OF_EXPOSURE: the stamp is the start of exposure."""

    ERROR = 0x0000_0040
    STAMP_CLOCK = 0x0000_E000
    STAMP_MONOTONIC = 0x0000_2000
    STAMP_OF = 0x0007_0000
    STAMP_OF_EXPOSURE = 0x0001_0000


class Control(IntEnum):
    """The ids of controls. EXPOSURE_ABSOLUTE is in units of 100 µs."""

    WHITE_BALANCE_AUTO = 0x0098_090C
    GAIN_AUTO = 0x0098_0912
    GAIN = 0x0098_0913
    EXPOSURE_AUTO = 0x009A_0901
    EXPOSURE_ABSOLUTE = 0x009A_0902
    EXPOSURE_AUTO_PRIORITY = 0x009A_0903
    FOCUS_AUTO = 0x009A_090C
    ANALOGUE_GAIN = 0x009E_0903


EXPOSURE_MANUAL = 1
TIME_PER_FRAME = 0x1000  # of StreamParameters.capability: the rate can be set


class Capability(ctypes.Structure):
    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("device_caps", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32 * 3),
    )


class Format(ctypes.Structure):
    """struct v4l2_format, with the union as v4l2_pix_format."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("_pad", ctypes.c_uint32),  # the union holds pointers
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("pixelformat", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("bytesperline", ctypes.c_uint32),
        ("sizeimage", ctypes.c_uint32),
        ("_rest", ctypes.c_uint8 * 176),
    )


class RequestBuffers(ctypes.Structure):
    _fields_ = (
        ("count", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("flags", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 3),
    )


class Buffer(ctypes.Structure):
    """struct v4l2_buffer. The stamp is a struct timeval."""

    _fields_ = (
        ("index", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("bytesused", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("stamp_s", ctypes.c_long),
        ("stamp_us", ctypes.c_long),
        ("timecode", ctypes.c_uint32 * 4),
        ("sequence", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("offset", ctypes.c_ulong),
        ("length", ctypes.c_uint32),
        ("reserved2", ctypes.c_uint32),
        ("request_fd", ctypes.c_int32),
    )


class StreamParameters(ctypes.Structure):
    """struct v4l2_streamparm, with the union as v4l2_captureparm. seconds: time per frame."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("capability", ctypes.c_uint32),
        ("mode", ctypes.c_uint32),
        ("seconds_numerator", ctypes.c_uint32),
        ("seconds_denominator", ctypes.c_uint32),
        ("_rest", ctypes.c_uint8 * 184),
    )


class ControlValue(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint32), ("value", ctypes.c_int32))


def _request(direction: int, number: int, size: int) -> int:
    """Return _IOC of asm-generic/ioctl.h for type 'V'.

    direction: 1 written by this process, 2 by the kernel, 3 by both.
    """
    return direction << 30 | size << 16 | ord("V") << 8 | number


class Ioctl(IntEnum):
    """The ioctl calls, named as in linux/videodev2.h without VIDIOC_."""

    QUERYCAP = _request(2, 0, ctypes.sizeof(Capability))
    S_FMT = _request(3, 5, ctypes.sizeof(Format))
    REQBUFS = _request(3, 8, ctypes.sizeof(RequestBuffers))
    QUERYBUF = _request(3, 9, ctypes.sizeof(Buffer))
    QBUF = _request(3, 15, ctypes.sizeof(Buffer))
    DQBUF = _request(3, 17, ctypes.sizeof(Buffer))
    STREAMON = _request(1, 18, 4)
    STREAMOFF = _request(1, 19, 4)
    S_PARM = _request(3, 22, ctypes.sizeof(StreamParameters))
    G_CTRL = _request(3, 27, ctypes.sizeof(ControlValue))
    S_CTRL = _request(3, 28, ctypes.sizeof(ControlValue))


def fourcc(code: str) -> int:
    """Return the number of a pixel format: four characters, the first one in the lowest byte."""
    return int.from_bytes(code.encode("ascii"), "little")


class VideoCalls(Protocol):
    """The kernel calls of a camera. Tests use another implementation. All raise OSError."""

    def open(self, path: Path) -> int: ...

    def ioctl(self, fd: int, request: Ioctl, argument: ctypes.Structure | ctypes.c_int) -> None:
        """Call the kernel, which writes its answer into ``argument``. Never waits for a frame."""
        ...

    def map(self, fd: int, length: int, offset: int) -> mmap.mmap | bytearray:
        """Return the memory of one buffer."""
        ...

    def wait(self, fd: int, timeout_s: float) -> bool:
        """Block until a buffer is filled or the device is unplugged; False after timeout_s."""
        ...

    def close(self, fd: int) -> None: ...


class LinuxVideoCalls:
    """The calls of the real kernel."""

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ioctl(self, fd: int, request: Ioctl, argument: ctypes.Structure | ctypes.c_int) -> None:
        fcntl.ioctl(fd, request, argument, True)

    def map(self, fd: int, length: int, offset: int) -> mmap.mmap:
        return mmap.mmap(fd, length, offset=offset)

    def wait(self, fd: int, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout_s * 1e3))

    def close(self, fd: int) -> None:
        os.close(fd)
