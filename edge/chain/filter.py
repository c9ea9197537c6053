"""Step 2: SeverityMap → Mask, by the threshold T."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.records import SeverityMap


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels at or above T, in the part of the frame that holds them all.

    pixels: uint8 h×w, 1 where kept. severity: float32 h×w on the scale 0 to 12. The pixel (0, 0)
    lies at (left, top) of the frame.
    """

    pixels: NDArray[np.uint8]
    severity: NDArray[np.float32]
    left: int
    top: int


def keep(severity: SeverityMap, threshold: float, height: int, width: int) -> Mask | None:
    """He & Liu 2020, equation (1): what is at or above ``threshold``; None where nothing is.

    The map is compared as it is stored, so a clean frame costs one pass over small integers. Where
    something passes, severity is interpolated (bilinear, cell centres) to the frame's height ×
    width pixels and compared there, so that an edge lies where severity crosses T and not on the
    grid of cells. Interpolation cannot rise above the cells, so no pixel passes where no cell does.
    """
    cells = severity.values
    limit = stored_limit(severity, threshold)
    if cells.max() < limit:
        return None
    rows, cols = np.flatnonzero((cells >= limit).any(1)), np.flatnonzero((cells >= limit).any(0))
    # One cell around reaches every pixel that can pass; one more makes the interpolation at the
    # crop's edge that of the whole map.
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
    kept = (fine >= np.float32(severity.severity(limit))).view(np.uint8)
    if not kept.any():
        return None
    return Mask(kept, np.asarray(fine, np.float32), left, top)


def stored_limit(severity: SeverityMap, threshold: float) -> float:
    """The smallest stored value whose severity is at or above ``threshold``."""
    limit = threshold / severity.scale + severity.zero_point
    if severity.values.dtype == np.uint8:
        return math.ceil(limit - 1e-6)  # 4.5 / 0.05 is 90.00000000000001: still 90
    return limit
