"""A picture with its histogram and figures below it, for the technician at the line."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.commission.sharpness import Pixels

_LINE_PX, _LEAST_WIDTH_PX, _HISTOGRAM_PX = 18, 320, 64
_WHITE, _INK, _RED = (255, 255, 255), (30, 30, 30), (40, 40, 220)


def annotate(pixels: Pixels, lines: Sequence[str], wrong: Sequence[str] = ()) -> Pixels:
    """Return a BGR picture, uint8: the pixels (H×W or H×W×3), their histogram, and lines of text.

    The lines in ``wrong`` are red. The histogram bars of clipped pixels (0, 1, 254, 255) are red.
    """
    colour = pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    width = max(colour.shape[1], _LEAST_WIDTH_PX)
    height = colour.shape[0] + _HISTOGRAM_PX + _LINE_PX * (len(lines) + len(wrong)) + 8
    page = np.full((height, width, 3), 255, np.uint8)
    page[: colour.shape[0], : colour.shape[1]] = colour
    top = colour.shape[0]
    _draw_histogram(page, top, pixels)
    top += _HISTOGRAM_PX
    for ink, texts in ((_INK, lines), (_RED, wrong)):
        for text in texts:
            top += _LINE_PX
            where = (6, top)
            # The font has no letters beyond ASCII.
            plain = text.replace("×", "x").encode("ascii", "replace").decode()
            cv2.putText(page, plain, where, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)
    return np.ascontiguousarray(page)


def encode_picture(page: NDArray[np.uint8], suffix: str) -> bytes:
    """Return the bytes of an image file. suffix: ".png", or ".jpg" for a live picture."""
    fine, data = cv2.imencode(suffix, page)
    if not fine:
        raise ValueError(f"{suffix} cannot be written")
    return data.tobytes()


def _draw_histogram(page: Pixels, top: int, pixels: Pixels) -> None:
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if pixels.ndim == 3 else pixels
    counts = np.bincount(grey.reshape(-1), minlength=256).astype(np.float64)
    heights = (np.sqrt(counts / max(1.0, counts.max())) * (_HISTOGRAM_PX - 8)).astype(int)
    bottom = top + _HISTOGRAM_PX - 2
    for level, tall in enumerate(heights):
        ink = _RED if level in (0, 1, 254, 255) else _INK
        page[bottom - int(tall) : bottom, level + 6] = ink
