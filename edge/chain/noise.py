"""How much a frame's pixels differ from their neighbours: noise of the camera, grain of a surface.

Both detectors that count in differences of good parts take a frame that is grainier than any of
those for one of a noisier camera (gain turned up, a lamp that ages), up to a limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS = 8  # every so many rows are looked at: 51,000 pixels of 640×640
# The mean size of a normal variable is 0.798 of its deviation, and 1, -2, 1 make noise √6 times as
# large.
DEVIATIONS = 0.798 * 6.0**0.5
LEAST = 0.25  # grey levels; the rounding to whole ones alone is 0.29


def grain(grey: NDArray[np.uint8]) -> float:
    """Standard deviation of white noise that would give a frame's second differences along its
    rows, by their mean without the largest, which are edges. uint8 H×W; grey levels, LEAST or more.

    After Immerkær 1996, "Fast noise variance estimation", in one dimension.
    """
    rows = grey[ROWS // 2 :: ROWS] if len(grey) > ROWS else grey
    signed = rows.astype(np.int16)
    bent = np.abs(signed[:, 2:] - 2 * signed[:, 1:-1] + signed[:, :-2])
    counts = np.bincount(bent.ravel(), minlength=2)
    sizes = np.arange(len(counts))
    middle = int(np.searchsorted(np.cumsum(counts), 0.5 * bent.size))
    kept = counts * (sizes <= 4 * middle + 2)
    mean = float((kept * sizes).sum()) / float(kept.sum())
    return max(mean / DEVIATIONS, LEAST)


def excess(found: float, usual: float, limit: float) -> float:
    """How many times as grainy as good parts a frame is, 1 to limit."""
    return min(max(found / usual, 1.0), limit)
