"""Step 2: SeverityMap → Mask, by the threshold T."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import FrameError
from edge.records import SeverityMap

# Severity counts as at T from this far below it: float32 is right to 1e-6 at 12, and 4.5 stored in
# steps of 0.05 must be 4.5.
TOLERANCE = 1e-5


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
    (It can stay below: a lone cell between cells of 0 must reach 16/9 of T at stride_px 2, as no
    pixel's centre lies at a cell's. T is searched with the same interpolation.) Raises FrameError
    when a severity is not a number: nobody may call that clean.
    """
    cells = severity.values
    limit = stored_limit(severity, threshold)
    peak = cells.max()
    if peak < limit:
        return None
    if not math.isfinite(peak):
        raise FrameError(f"the detector's severity is not a number ({peak})")
    passing = cells >= limit
    rows, cols = np.flatnonzero(passing.any(1)), np.flatnonzero(passing.any(0))
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
    kept = (fine >= np.float32(threshold - TOLERANCE)).view(np.uint8)
    if not kept.any():
        return None
    return Mask(kept, np.asarray(fine, np.float32), left, top)


def stored_limit(severity: SeverityMap, threshold: float) -> float:
    """The smallest stored value whose severity is at or above ``threshold`` (to TOLERANCE)."""
    limit = (threshold - TOLERANCE) / severity.scale + severity.zero_point
    return math.ceil(limit) if severity.values.dtype == np.uint8 else limit
