"""Step filter for large frames: the mask of ``apply_threshold``, in bands of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.chain.filter import TOLERANCE, Mask, stored_threshold
from edge.errors import FrameError
from edge.records import SeverityMap

# The pixels of a band: 8 MB of severity in float32.
_BAND_PX = 1 << 21
# The rows of cells of a band at least. No cluster is joined to another one across an empty band.
_LEAST_CELLS = 64
_CONTEXT = 2  # cells; with them the interpolation equals that of the whole map


@dataclass(frozen=True, slots=True)
class BandedMask:
    """The pixels at or above the threshold, calculated anew for every band that is asked for.

    severity: the map, valid as long as this. left, top: the first pixel of the part of the frame
    that contains all pixels at or above the threshold. height, width: its size. Pixels and severity
    are those of ``apply_threshold``, byte for byte.
    """

    severity: SeverityMap
    threshold: float
    left: int
    top: int
    height: int
    width: int

    @classmethod
    def of(
        cls, severity: SeverityMap, threshold: float, height: int, width: int
    ) -> BandedMask | None:
        """Return the mask of a frame, or None where no cell reaches the threshold.

        Raises FrameError when a severity is not a number. The stride of the map must be a power of
        2.
        """
        cells, stride = severity.values, severity.stride_px
        peak = cells.max()
        limit = stored_threshold(severity, threshold)
        if peak < limit:
            return None
        if not math.isfinite(peak):
            raise FrameError(f"a severity of the detector is not a number ({peak})")
        rows = np.flatnonzero(cells.max(1) >= limit)
        cols = np.flatnonzero(cells.max(0) >= limit)
        first_row, last_row = max(rows[0] - 2, 0), min(rows[-1] + 3, cells.shape[0])
        first_col, last_col = max(cols[0] - 2, 0), min(cols[-1] + 3, cells.shape[1])
        top, left = int(first_row) * stride, int(first_col) * stride
        return cls(
            severity,
            threshold,
            left,
            top,
            min(int(last_row) * stride, height) - top,
            min(int(last_col) * stride, width) - left,
        )

    def bands(self, first: int = 0, last: int | None = None) -> Iterator[tuple[int, Mask | None]]:
        """Yield the rows first to last (exclusive) in bands: the first row, and its mask or None.

        Rows are counted from ``top``. None: no pixel of the band reaches the threshold.
        """
        stride = self.severity.stride_px
        limit = stored_threshold(self.severity, self.threshold)
        step = max(_BAND_PX // (self.width * stride), _LEAST_CELLS) * stride
        last = self.height if last is None else last
        for start in range(first, last, step):
            end = min(start + step, last)
            cells = self._cells(start, end)
            # A pixel reaches the threshold only beside a cell that does.
            yield start, self.rows(start, end) if cells.max() >= limit else None

    def rows(self, first: int, last: int) -> Mask:
        """Return the mask of the rows first to last (exclusive), counted from ``top``."""
        severity, stride = self.severity, self.severity.stride_px
        crop = self._cells(first, last).astype(np.float32)
        crop -= np.float32(severity.zero_point)
        crop *= np.float32(severity.scale)
        size = (crop.shape[1] * stride, crop.shape[0] * stride)
        fine = cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR)
        skipped = first - self._first_cell(first) * stride
        fine = fine[skipped : skipped + last - first, : self.width]
        pixels = (fine >= np.float32(self.threshold - TOLERANCE)).view(np.uint8)
        return Mask(pixels, np.asarray(fine, np.float32), self.left, self.top + first)

    def _first_cell(self, row: int) -> int:
        """Return the first cell for this row, with its context, counted from the first of all."""
        return max(row // self.severity.stride_px - _CONTEXT, 0)

    def _cells(self, first: int, last: int) -> NDArray[np.uint8] | NDArray[np.float32]:
        stride = self.severity.stride_px
        above, left = self.top // stride, self.left // stride
        rows, cols = -(-self.height // stride), -(-self.width // stride)
        end = min(-(-last // stride) + _CONTEXT, rows)
        return self.severity.values[
            above + self._first_cell(first) : above + end, left : left + cols
        ]
