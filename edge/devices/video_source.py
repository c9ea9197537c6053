"""A video, from a file or a network, frame by frame."""

from __future__ import annotations

from logging import getLogger

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.images import decode_image

_log = getLogger(__name__)

# Codes of OpenCV's FFmpeg for a sequence of JPEGs.
_JPEG_CODES = frozenset({"MJPG", "mjpg", "mjpa", "mjpb", "jpeg", "JPEG"})
_NO_STAMP = -1e18  # FFmpeg's "no presentation time" is below it


class VideoSource:
    """OpenCV's FFmpeg reader, of which motion JPEG is taken undecoded and decoded as every other
    JPEG is, so that a damaged frame is refused. One thread at a time.

    Of other codecs (H.264, MPEG-4, …) FFmpeg conceals what is damaged, and OpenCV does not hand on
    that it did: ``conceals`` is then True, and a log line names it once.
    """

    def __init__(self, address: str, *options: int, shown: str | None = None) -> None:
        """Blocks as long as opening does. options: OpenCV's, name and value in turn. shown: the
        address as a log may have it."""
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
        """The number of frames that the header of a file claims; 0 or below where it claims
        none."""
        return int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))

    @property
    def stamp_ns(self) -> int | None:
        """When the last frame is to be shown, by its sender's clock; None where the stream carries
        no such time, as JPEGs over HTTP do."""
        if self._video.get(cv2.CAP_PROP_PTS) < _NO_STAMP:
            return None
        return round(self._video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)

    def grab(self) -> bool:
        """Take the next frame, undecoded. Blocks for it; False at the end."""
        return bool(self._video.grab())

    def pixels(self, *, name: str) -> NDArray[np.uint8] | None:
        """The frame that was grabbed, H×W×3 BGR or H×W grey; None where there is none. Raises
        FrameError that begins with ``name`` for a damaged one."""
        there, data = self._video.retrieve()
        if not there:
            return None
        if self._is_jpeg:
            pixels = decode_image(data.tobytes(), name=name)
            # As FFmpeg gives it: colour, whatever the JPEG holds.
            return pixels if pixels.ndim == 3 else np.dstack([pixels] * 3)
        return np.ascontiguousarray(data, np.uint8)

    def close(self) -> None:
        """Release the file or the connection."""
        self._video.release()

    @property
    def _code(self) -> str:
        number = int(self._video.get(cv2.CAP_PROP_FOURCC))
        return (number & 0xFFFF_FFFF).to_bytes(4, "little").decode("latin-1").strip("\0 ")
