"""A camera that returns pictures from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.data_folder import list_images
from edge.devices.camera import EndOfFrames
from edge.errors import DeviceError
from edge.images import read_image
from edge.records import Frame

# Decoded pictures are kept for the next loop, so that a demo does not measure the decoding of PNG.
_CACHE_BYTES = 64 << 20


class FilesCamera:
    """A Camera that returns one picture per part: a file, or all below a folder, sorted.

    Masks and labels are left out. The list is made once, by the constructor, which raises
    FrameError without a picture. With ``loop`` it starts again after the last picture.

    It does not simulate exposure time, noise or transfer. ``exposed_ns`` is the time of the call of
    ``capture``; the file is decoded after it.
    """

    def __init__(self, path: Path, *, clock: Clock, loop: bool = False) -> None:
        self.paths = list_images(path)
        self._clock = clock
        self._loop = loop
        self._next = 0
        self._closed = False
        self._cache: dict[Path, NDArray[np.uint8]] = {}
        self._cache_left = _CACHE_BYTES if loop else 0

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._closed:
            raise DeviceError("camera_files: capture after close")
        if self._next == len(self.paths):
            if not self._loop:
                raise EndOfFrames
            self._next = 0
        path = self.paths[self._next]
        self._next += 1
        exposed_ns = self._clock.now_ns()
        return Frame(part_id, sequence, triggered_ns, exposed_ns, self._pixels(path))

    def close(self) -> None:
        self._closed = True
        self._cache.clear()

    def _pixels(self, path: Path) -> NDArray[np.uint8]:
        pixels = self._cache.get(path)
        if pixels is None:
            pixels = read_image(path)
            if pixels.nbytes <= self._cache_left:
                self._cache[path] = pixels
                self._cache_left -= pixels.nbytes
        return pixels
