"""What cameras send → pixels of a frame."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.images import decode_image

Packed = bytes | bytearray | memoryview


def grey(data: Packed, *, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    """One byte a pixel, ``stride`` bytes a line → H×W, a view of ``data`` if there is no padding.
    Raises FrameError when it is cut short."""
    return np.ascontiguousarray(_lines(data, width, height, stride))


def yuyv(data: Packed, *, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    """YUV 4:2:2, two bytes a pixel → H×W×3 BGR, by ITU-R BT.601. Raises FrameError."""
    packed = np.ascontiguousarray(_lines(data, 2 * width, height, stride))
    colour = cv2.cvtColor(packed.reshape(height, width, 2), cv2.COLOR_YUV2BGR_YUYV)
    return np.asarray(colour, np.uint8)


def mjpeg(data: Packed, *, width: int, height: int, stride: int) -> NDArray[np.uint8]:
    """One JPEG → H×W×3 BGR or H×W grey, as it was compressed. stride says nothing here. Raises
    FrameError for one that is cut short, as a full bus leaves them, or of another size."""
    del stride
    pixels = decode_image(bytes(data), name="camera")
    if pixels.shape[:2] != (height, width):
        found = f"{pixels.shape[1]}×{pixels.shape[0]}"
        raise FrameError(f"camera: a frame of {found} pixels, expected {width}×{height}")
    return pixels


def _lines(data: Packed, used: int, height: int, stride: int) -> NDArray[np.uint8]:
    """A view of the first ``used`` bytes of each line. The last line may end with them."""
    needed = stride * (height - 1) + used
    if len(data) < needed:
        raise FrameError(f"camera: a frame of {len(data)} bytes, expected {needed}")
    flat = np.frombuffer(data, np.uint8, count=needed)
    return np.lib.stride_tricks.as_strided(flat, (height, used), (stride, 1), writeable=False)
