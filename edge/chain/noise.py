"""The noise level of a frame: noise of the camera together with the texture of the surface.

The detectors "template" and "threshold" rate differences in units of good parts. When a frame has
more noise than every good part, they assume a noisier camera, for instance after a higher gain or
with an aged lamp. They reduce the severity by the same factor, up to a limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROWS = 8  # every eighth row is used: 51,000 pixels of a frame of 640×640
# The mean absolute value of a normal variable is 0.798 of its standard deviation, and the filter
# (1, −2, 1) makes white noise √6 times as large.
DEVIATIONS = 0.798 * 6.0**0.5
LEAST = 0.25  # grey levels; rounding to integers alone has a standard deviation of 0.29


def noise_level(grey: NDArray[np.uint8]) -> float:
    """Return the noise level of a frame as a standard deviation in grey levels, at least LEAST.

    grey: uint8 H×W. The level is estimated from the mean second difference along the rows. The
    largest differences, above four times the median plus 2, are edges and are left out.

    Source: Immerkær 1996, "Fast noise variance estimation", here in one dimension.
    """
    rows = grey[ROWS // 2 :: ROWS] if len(grey) > ROWS else grey
    signed = rows.astype(np.int16)
    bent = np.abs(signed[:, 2:] - 2 * signed[:, 1:-1] + signed[:, :-2])
    counts = np.bincount(bent.ravel(), minlength=2)
    sizes = np.arange(len(counts))
    middle = int(np.searchsorted(np.cumsum(counts), 0.5 * bent.size))
    counted = counts * (sizes <= 4 * middle + 2)
    mean = float((counted * sizes).sum()) / float(counted.sum())
    return max(mean / DEVIATIONS, LEAST)


def noise_factor(level: float, usual: float, limit: float) -> float:
    """Return the noise level relative to that of good parts, limited to the range 1 to limit."""
    return min(max(level / usual, 1.0), limit)
