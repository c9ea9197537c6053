"""The conversion of camera data to the pixels of a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.images import decode_image

Packed = bytes | bytearray | memoryview


def grey(data: Packed, *, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    """Return the pixels of grey data, uint8 H×W: one byte per pixel, ``stride`` bytes per line.

    It is a view of ``data`` where lines have no padding. Raises FrameError for truncated data.
    """
    return np.ascontiguousarray(_lines(data, width, height, stride))


def yuyv(data: Packed, *, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    """Return the pixels of YUV 4:2:2 data, two bytes per pixel, as uint8 H×W×3 (BGR).

    Source: ITU-R BT.601. Raises FrameError for truncated data.
    """
    packed = np.ascontiguousarray(_lines(data, 2 * width, height, stride))
    colour = cv2.cvtColor(packed.reshape(height, width, 2), cv2.COLOR_YUV2BGR_YUYV)
    return np.asarray(colour, np.uint8)


def mjpeg(data: Packed, *, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    """Return the pixels of one JPEG, uint8 H×W×3 (BGR) or H×W, as it was compressed.

    stride is not used. Raises FrameError for a truncated JPEG, for instance from a full bus, or for
    another size.
    """
    del stride
    pixels = decode_image(bytes(data), name="camera")
    if pixels.shape[:2] != (height, width):
        size = f"{pixels.shape[1]}×{pixels.shape[0]}"
        raise FrameError(f"camera: a frame of {size} pixels, expected {width}×{height}")
    return pixels


def _lines(data: Packed, used: int, height: int, stride: int) -> NDArray[np.uint8]:
    """Return a view of the first ``used`` bytes of each line. The last line may end there."""
    needed = stride * (height - 1) + used
    if len(data) < needed:
        raise FrameError(f"camera: a frame of {len(data)} bytes, expected {needed}")
    flat = np.frombuffer(data, np.uint8, count=needed)
    return np.lib.stride_tricks.as_strided(flat, (height, used), (stride, 1), writeable=False)
