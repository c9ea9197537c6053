"""Step 2: severity map to mask, by the threshold T.

Source: He & Liu 2020 (IEEE Access 8:35583), equation (1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.records import SeverityMap

# A severity counts as T from this much below it. float32 is accurate to 1e-6 at 12, and 4.5 that is
# stored in steps of 0.05 must reach a threshold of 4.5.
TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels at or above the threshold, in the part of the frame that contains them all.

    pixels: uint8 h×w, 1 at or above the threshold, else 0. severity: float32 h×w, 0 to 12.
    left, top: position of the element [0, 0] in the frame, in pixels.
    """

    pixels: NDArray[np.uint8]
    severity: NDArray[np.float32]
    left: int
    top: int


def apply_threshold(
    severity: SeverityMap, threshold: float, height: int, width: int
) -> Mask | None:
    """Return the pixels at or above ``threshold``, or None where there are none.

    This is equation (1) of He & Liu 2020. height, width: size of the frame in pixels.

    The map is first compared as it is stored, so a clean frame costs one pass over small integers.
    If a cell reaches the threshold, the severity is interpolated to pixels (bilinear, between cell
    centres) and compared again. So the edge of a region lies where the severity crosses the
    threshold, and not on the grid of cells.

    Interpolated values never exceed those of the cells, but they can be lower. At stride_px 2 a
    single cell between cells of 0 must reach 16/9 of the threshold, because no pixel centre
    coincides with a cell centre. The search for the threshold uses the same interpolation.

    Raises FrameError when a severity is not a number, because such a frame must not pass.
    """
    cells = severity.values
    limit = stored_threshold(severity, threshold)
    peak = cells.max()
    if peak < limit:
        return None
    if not math.isfinite(peak):
        raise FrameError(f"a severity of the detector is not a number ({peak})")
    passing = cells >= limit
    rows, cols = np.flatnonzero(passing.any(1)), np.flatnonzero(passing.any(0))
    # One more cell on each side covers every pixel that can reach T. With a second cell the
    # interpolation at the edge of the crop equals that of the whole map.
    first_row, last_row = max(rows[0] - 2, 0), min(rows[-1] + 3, cells.shape[0])
    first_col, last_col = max(cols[0] - 2, 0), min(cols[-1] + 3, cells.shape[1])
    crop = cells[first_row:last_row, first_col:last_col].astype(np.float32)
    crop -= np.float32(severity.zero_point)
    crop *= np.float32(severity.scale)
    stride = severity.stride_px
    fine = cv2.resize(
        crop, (crop.shape[1] * stride, crop.shape[0] * stride), interpolation=cv2.INTER_LINEAR
    )
    left, top = int(first_col) * stride, int(first_row) * stride
    fine = fine[: height - top, : width - left]
    passing_pixels = (fine >= np.float32(threshold - TOLERANCE)).view(np.uint8)
    if not passing_pixels.any():
        return None
    return Mask(passing_pixels, np.asarray(fine, np.float32), left, top)


def stored_threshold(severity: SeverityMap, threshold: float) -> float:
    """Return the smallest stored value whose severity reaches ``threshold`` (within TOLERANCE)."""
    limit = (threshold - TOLERANCE) / severity.scale + severity.zero_point
    return math.ceil(limit) if severity.values.dtype == np.uint8 else limit
