"""The frames of a video, from a file or a network."""

from __future__ import annotations

from logging import getLogger

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.images import decode_image

_log = getLogger(__name__)

# Codec codes of OpenCV's FFmpeg for motion JPEG.
_JPEG_CODES = frozenset({"MJPG", "mjpg", "mjpa", "mjpb", "jpeg", "JPEG"})
_NO_STAMP = -1e18  # FFmpeg's "no presentation time" is below it


class VideoSource:
    """A video that OpenCV's FFmpeg reads. One thread at a time may use it.

    Frames of motion JPEG are decoded by Outfeed itself, so that a damaged frame is refused. With
    other codecs (H.264, MPEG-4, …) FFmpeg conceals damage, and OpenCV does not report it. Then
    ``conceals`` is True, and one log line states it.
    """

    def __init__(self, address: str, *options: int, shown: str | None = None) -> None:
        """Open the video. Blocks until it is open.

        address: file name or url. options: options of OpenCV, alternately name and value. shown:
        the address for the log, without a password.
        """
        self._video = cv2.VideoCapture(address, cv2.CAP_FFMPEG, list(options))
        self.is_open = self._video.isOpened()
        self._is_jpeg = self.is_open and self._code in _JPEG_CODES
        if self._is_jpeg:
            self._is_jpeg = self._video.set(cv2.CAP_PROP_FORMAT, -1)
        self.conceals = self.is_open and not self._is_jpeg
        if self.conceals:
            _log.warning(
                "video_conceals_damage source=%s codec=%s use=motion JPEG, of which a damaged "
                "frame is refused",
                shown or address,
                self._code,
            )

    @property
    def promised(self) -> int:
        """The number of frames in the header of a file; 0 or below where there is none."""
        return int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))

    @property
    def stamp_ns(self) -> int | None:
        """The presentation time of the last frame, by the clock of its sender.

        None where the stream has no such time, for instance JPEGs over HTTP.
        """
        if self._video.get(cv2.CAP_PROP_PTS) < _NO_STAMP:
            return None
        return round(self._video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)

    def grab(self) -> bool:
        """Take the next frame without decoding it. Blocks; return False at the end."""
        return bool(self._video.grab())

    def pixels(self, *, name: str) -> NDArray[np.uint8] | None:
        """Return the grabbed frame, uint8 H×W×3 (BGR) or H×W, or None without one.

        Raises FrameError, which begins with ``name``, for a damaged frame.
        """
        there, data = self._video.retrieve()
        if not there:
            return None
        if self._is_jpeg:
            pixels = decode_image(data.tobytes(), name=name)
            # Three channels even for a grey JPEG, as FFmpeg returns them.
            return pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)
        return np.ascontiguousarray(data, np.uint8)

    def close(self) -> None:
        """Release the file or the connection."""
        self._video.release()

    @property
    def _code(self) -> str:
        number = int(self._video.get(cv2.CAP_PROP_FOURCC))
        return (number & 0xFFFF_FFFF).to_bytes(4, "little").decode("latin-1").strip("\0 ")
