"""A camera that returns the frames of a video file."""

from __future__ import annotations

from logging import getLogger
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.clock import Clock
from edge.devices.camera import EndOfFrames
from edge.devices.video_source import VideoSource
from edge.errors import DeviceError, FrameError
from edge.records import Frame

_log = getLogger(__name__)


class VideoCamera:
    """A Camera that returns one frame per part, in order, whatever the frame rate of the file.

    A truncated file ends after the frames before the truncation, and a log line contains the number
    of frames in its header. The last frame of such a file is dropped, because decoders return a
    damaged frame half grey and without an error. A damaged frame of motion JPEG raises FrameError,
    and the next call continues; other codecs conceal damage (edge/devices/video_source.py).

    ``exposed_ns`` is the time of the call of ``capture``. With ``loop`` it starts again at the end.
    Raises FrameError when the file is no video.
    """

    def __init__(self, path: Path, *, clock: Clock, loop: bool = False) -> None:
        self._path = path
        self._clock = clock
        self._loop = loop
        self._closed = False
        if not path.is_file():
            raise FrameError(f"{path}: no such file")
        self._open()

    def capture(self, part_id: int, sequence: int, triggered_ns: int) -> Frame:
        if self._closed:
            raise DeviceError("camera_video: capture after close")
        exposed_ns = self._clock.now_ns()
        pixels = self._take()
        if pixels is None and self._loop:
            self._video.close()
            self._open()
            pixels = self._take()
        if pixels is None:
            raise EndOfFrames
        if isinstance(pixels, FrameError):
            raise pixels
        return Frame(part_id, sequence, triggered_ns, exposed_ns, pixels)

    def close(self) -> None:
        self._closed = True
        self._video.close()

    def _open(self) -> None:
        self._video = VideoSource(str(self._path))
        if not self._video.is_open:
            raise FrameError(f"{self._path}: is not a video that can be decoded")
        self._promised = self._video.promised
        self._taken = self._read = 0
        self._ahead = self._decode()

    def _take(self) -> NDArray[np.uint8] | FrameError | None:
        """Return the frame that was read ahead; None at the end, or at a truncation."""
        pixels = self._ahead
        if pixels is None:
            return None
        self._ahead = self._decode()
        if self._ahead is None and self._taken + 1 < self._promised:
            _log.warning(
                "video_ended_early file=%s frames=%s promised=%s",
                self._path,
                self._taken,
                self._promised,
            )
            return None
        self._taken += 1
        return pixels

    def _decode(self) -> NDArray[np.uint8] | FrameError | None:
        if not self._video.grab():
            return None
        self._read += 1
        try:
            return self._video.pixels(name=f"{self._path}: frame {self._read}")
        except FrameError as error:
            return error
