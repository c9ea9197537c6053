"""A capture device for machines without one: it stands in for the five calls to the kernel.

It behaves as a driver with videobuf2 does. A frame that begins while no buffer is queued is lost.
Filled buffers come out oldest first. Every frame has a stamp and a number. A device that is pulled
out answers ENODEV. The test sets the time. There is no noise: all pixels of a frame have one level,
and each frame has another level.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edge.devices import v4l2
from edge.devices.v4l2 import BufferFlag, Control, Ioctl
from tests.devices.clocks import MS, FakeClock


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@dataclass
class FakeVideo:
    """One device at ``path``. Frames begin every frame_ns and are there transfer_ns later.

    stamp_flags: flags about the stamps; with STAMP_OF_EXPOSURE the driver stamps the start of a
    frame, else the end. stamp_offset_ns: how wrong its clock is. damaged, cut: numbers of frames.
    pulses: of a triggered device, when it exposes. controls: value, least, greatest.
    """

    path: Path = Path("/dev/video0")
    clock: FakeClock = field(default_factory=FakeClock)
    width: int = 32
    height: int = 24
    padding: int = 0
    formats: tuple[str, ...] = ("GREY", "YUYV", "MJPG")
    frame_ns: int = 20 * MS
    rates: bool = True
    transfer_ns: int = 15 * MS
    stamp_flags: int = BufferFlag.STAMP_MONOTONIC | BufferFlag.STAMP_OF_EXPOSURE
    stamp_offset_ns: int = 0
    capabilities: int = v4l2.Cap.VIDEO_CAPTURE | v4l2.Cap.STREAMING
    damaged: set[int] = field(default_factory=set)
    cut: set[int] = field(default_factory=set)
    pulses: deque[int] | None = None
    controls: dict[int, list[int]] = field(
        default_factory=lambda: {
            Control.EXPOSURE_AUTO: [3, 0, 3],
            Control.EXPOSURE_ABSOLUTE: [156, 1, 5000],
            Control.GAIN: [10, 0, 255],
            Control.WHITE_BALANCE_AUTO: [1, 0, 1],
        }
    )
    present: bool = True
    opened: int = 0
    busy: bool = False

    def __post_init__(self) -> None:
        self.calls: list[str] = []
        self._stop()

    def _stop(self) -> None:
        self.memory: list[bytearray] = []
        self.queued: deque[int] = deque()
        self.filled: deque[v4l2.Buffer] = deque()
        self.next_ns: int | None = None
        self.begun: tuple[int, int | None] | None = None  # when, and into which buffer
        self.number = 0

    # -- the five calls

    def open(self, path: Path) -> int:
        if path != self.path or not self.present:
            raise _error(errno.ENOENT)
        self.opened += 1
        return 77

    def close(self, fd: int) -> None:
        self.opened -= 1
        self._stop()

    def map(self, fd: int, length: int, offset: int) -> bytearray:
        assert length == len(self.memory[offset // 4096])
        return self.memory[offset // 4096]

    def wait(self, fd: int, timeout_s: float) -> bool:
        until_ns = self.clock.ns + round(timeout_s * 1e9)
        while self.present and not self.filled:
            self._expose()
            due_ns = self._due_ns()
            if self.filled or due_ns is None or due_ns > until_ns:
                break
            self.clock.ns = max(self.clock.ns, due_ns)
        if self.present and not self.filled:
            self.clock.ns = until_ns
            return False
        return True

    def ioctl(self, fd: int, request: Ioctl, argument) -> None:
        self.calls.append(request.name)
        if not self.present:
            raise _error(errno.ENODEV)
        getattr(self, f"_{request.name.lower()}")(argument)

    # -- what it answers

    def _querycap(self, able: v4l2.Capability) -> None:
        able.capabilities = self.capabilities | v4l2.Cap.DEVICE_CAPS | v4l2.Cap.VIDEO_CAPTURE
        able.device_caps = self.capabilities

    def _s_fmt(self, given: v4l2.Format) -> None:
        if self.busy:
            raise _error(errno.EBUSY)
        code = given.pixelformat.to_bytes(4, "little").decode()
        self.code = code if code in self.formats else self.formats[0]
        given.pixelformat = v4l2.fourcc(self.code)
        given.width, given.height = self.width, self.height
        bytes_px = {"GREY": 1, "YUYV": 2, "MJPG": 0}[self.code]
        self.stride = given.bytesperline = bytes_px * self.width + (self.padding if bytes_px else 0)
        given.sizeimage = self.stride * self.height or 65536
        self.size = given.sizeimage

    def _s_parm(self, given: v4l2.StreamParameters) -> None:
        if not self.rates:
            raise _error(errno.ENOTTY)
        if given.seconds_numerator:
            wanted_ns = 10**9 * given.seconds_numerator // given.seconds_denominator
            self.frame_ns = max(10 * MS, wanted_ns)  # 100 a second at most
        given.seconds_numerator, given.seconds_denominator = self.frame_ns, 10**9
        given.capability = v4l2.TIME_PER_FRAME

    def _s_ctrl(self, wanted: v4l2.ControlValue) -> None:
        if wanted.id not in self.controls:
            raise _error(errno.EINVAL)
        held = self.controls[wanted.id]
        if wanted.id == Control.EXPOSURE_AUTO and not held[1] <= wanted.value <= held[2]:
            raise _error(errno.ERANGE)  # a menu
        # As the kernel does it for numbers: into the range, without a word (seen of vivid).
        held[0] = wanted.value = min(held[2], max(held[1], wanted.value))

    def _g_ctrl(self, asked: v4l2.ControlValue) -> None:
        asked.value = self.controls[asked.id][0]

    def _reqbufs(self, wanted: v4l2.RequestBuffers) -> None:
        self.memory = [bytearray(self.size) for _ in range(wanted.count)]

    def _querybuf(self, buffer: v4l2.Buffer) -> None:
        buffer.length, buffer.offset = self.size, buffer.index * 4096

    def _qbuf(self, buffer: v4l2.Buffer) -> None:
        self._expose()
        assert buffer.index not in self.queued
        self.queued.append(buffer.index)

    def _streamon(self, _: object) -> None:
        self.next_ns = self.clock.ns

    def _streamoff(self, _: object) -> None:
        self.next_ns = None

    def _dqbuf(self, buffer: v4l2.Buffer) -> None:
        self._expose()
        if not self.filled:
            raise _error(errno.EAGAIN)
        done = self.filled.popleft()
        for name, *_ in v4l2.Buffer._fields_:
            setattr(buffer, name, getattr(done, name))

    # -- the sensor

    def _due_ns(self) -> int | None:
        """Return the time at which a frame begins or ends next; None where no pulse is left."""
        if self.begun is not None:
            return self.begun[0] + self.transfer_ns
        if self.pulses is not None:
            return self.pulses[0] if self.pulses else None
        return self.next_ns

    def _expose(self) -> None:
        """Everything up to now."""
        while (due_ns := self._due_ns()) is not None and due_ns <= self.clock.ns:
            if self.begun is not None:
                begin_ns, index = self.begun
                self.begun = None
                if index is not None:
                    self.filled.append(self._fill(index, begin_ns, due_ns))
                continue
            if self.pulses is not None:
                self.pulses.popleft()
            else:
                self.next_ns = due_ns + self.frame_ns
            self.number += 1
            self.begun = (due_ns, self.queued.popleft() if self.queued else None)

    def _fill(self, index: int, begin_ns: int, end_ns: int) -> v4l2.Buffer:
        at_begin = self.stamp_flags & BufferFlag.STAMP_OF == BufferFlag.STAMP_OF_EXPOSURE
        stamp_us = ((begin_ns if at_begin else end_ns) + self.stamp_offset_ns) // 1000
        data = self._encode(level(self.number))
        if self.number in self.cut:
            data = data[: len(data) // 2]
        self.memory[index][: len(data)] = data
        flags = self.stamp_flags | (BufferFlag.ERROR if self.number in self.damaged else 0)
        return v4l2.Buffer(
            index=index,
            bytesused=len(data),
            flags=flags,
            stamp_s=stamp_us // 10**6,
            stamp_us=stamp_us % 10**6,
            sequence=self.number,
        )

    def _encode(self, value: int) -> bytes:
        grey = np.full((self.height, self.width), value, np.uint8)
        if self.code == "MJPG":
            colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
            return cv2.imencode(".jpg", colour)[1].tobytes()
        packed = grey
        if self.code == "YUYV":
            luma = round(16 + value * 219 / 255)
            packed = np.full((self.height, 2 * self.width), 128, np.uint8)
            packed[:, ::2] = luma
        return np.pad(packed, ((0, 0), (0, self.padding))).tobytes()


def level(number: int) -> int:
    """Return the gray level of frame ``number``, counted from 1."""
    return number % 200 + 20
