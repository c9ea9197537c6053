"""Severity targets from a picture and its mask, for each cell of the detection resolution.

Source: He & Liu 2020 (IEEE Access 8:35583), section III.C.1.a. The module also computes the share
of defect pixels of each cell.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Cells: TypeAlias = npt.NDArray[np.float32]
_Ints: TypeAlias = npt.NDArray[np.int32]
_Bools: TypeAlias = npt.NDArray[np.bool_]

SEVERITY_TOP = 12.0  # the paper's scale is [0, 12]


def severity_cells(
    image_grey: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    cell_px: int,
    truncate: float = 500.0,
    *,
    min_coverage: float = 0.0,
    defect_pixels_only: bool = False,
) -> Cells:
    """Return the severity of each cell: float32 (H // cell_px, W // cell_px), 0 to 12.

    Cells without a defect have severity 0. image_grey: uint8 H×W. mask: bool H×W, true on the
    defect. truncate: λ of equation (2), in grey levels; the score s is limited to λ and multiplied
    by 12 / λ.

    A cell is a defect cell if it has at least one defect pixel, and at least the share
    `min_coverage` of them. By default one pixel is enough: a crack 2 px wide covers at most half of
    a 4×4 cell, less where it crosses a corner, and must stay in one piece.

    m and M are the minimum and maximum over all pixels of a cell, as in the paper ("inside each
    defect cell"). Where a dark defect covers a cell in part, M_D is that of the sound surface, and
    the score falls towards 0. With `defect_pixels_only`, m_D and M_D are those of the defect pixels
    of the cell, so that a thin crack is scored by its own contrast.

    N is the nearest cell without a defect in the same row, to the left and to the right. The score
    is s = d0 + d1 with d0 = min(|m_D − m_N|, |M_D − M_N|) and d1 = |M_D − m_N|, and its mean over
    both sides. At the border the other side counts alone. If the whole row is defective, N is the
    nearest cell without a defect in the column (the upper one of two). If the column is defective
    too, m_N and M_N are the medians over all cells without a defect. If the whole frame is
    defective, every severity is 0.

    Raises ValueError if H or W is no multiple of cell_px, shapes differ or λ is not above 0.
    """
    _check(mask, cell_px)
    if image_grey.shape != mask.shape:
        raise ValueError(f"image is {image_grey.shape} and mask {mask.shape}; expected equal")
    if not truncate > 0.0:
        raise ValueError(f"truncate is {truncate}; expected above 0")
    coverage = coverage_cells(mask, cell_px)
    defect = (coverage > 0.0) & (coverage >= np.float32(min_coverage))
    severity = np.zeros(defect.shape, np.float32)
    if not defect.any() or defect.all():
        return severity
    low, high = _low_high(image_grey, image_grey, cell_px)
    low_d, high_d = low, high
    if defect_pixels_only:
        low_d, high_d = _low_high(
            np.where(mask, image_grey, np.uint8(255)),
            np.where(mask, image_grey, np.uint8(0)),
            cell_px,
        )
    rows, cols = np.nonzero(defect)
    left, right = _nearest(defect, axis=1)
    left_at, right_at = left[rows, cols], right[rows, cols]
    has_left, has_right = left_at >= 0, right_at < defect.shape[1]
    m_d, top_d = low_d[rows, cols], high_d[rows, cols]
    m_l, top_l = low[rows, left_at], high[rows, left_at]
    m_r, top_r = low[rows, right_at - defect.shape[1]], high[rows, right_at - defect.shape[1]]
    total = has_left * _score(m_d, top_d, m_l, top_l) + has_right * _score(m_d, top_d, m_r, top_r)
    score = total / np.maximum(has_left.astype(np.int32) + has_right, 1)
    alone = ~(has_left | has_right)
    if alone.any():
        m_n, top_n = _column_reference(defect, low, high, rows[alone], cols[alone])
        score[alone] = _score(m_d[alone], top_d[alone], m_n, top_n)
    severity[rows, cols] = np.minimum(score, truncate) * (SEVERITY_TOP / truncate)
    return severity


def coverage_cells(mask: npt.NDArray[np.bool_], cell_px: int) -> Cells:
    """Return the share of defect pixels of each cell, 0 to 1: float32 (H // cell_px, W // cell_px).

    Raises ValueError when H or W is no multiple of cell_px.
    """
    _check(mask, cell_px)
    ones = mask.view(np.uint8) if mask.dtype == np.bool_ else (mask != 0).view(np.uint8)
    count = np.zeros((mask.shape[0] // cell_px, mask.shape[1] // cell_px), np.int32)
    for top in range(cell_px):
        for left in range(cell_px):
            count += ones[top::cell_px, left::cell_px]
    return np.asarray(count / (cell_px * cell_px), np.float32)


def _check(mask: npt.NDArray[np.bool_], cell_px: int) -> None:
    if cell_px < 1 or mask.ndim != 2 or mask.shape[0] % cell_px or mask.shape[1] % cell_px:
        raise ValueError(
            f"mask is {mask.shape}; expected H and W multiples of the cell, {cell_px} px"
        )


def _low_high(
    for_low: npt.NDArray[np.uint8], for_high: npt.NDArray[np.uint8], cell_px: int
) -> tuple[_Ints, _Ints]:
    """Return minimum and maximum of each cell. Slices are 4 times faster than a reshape at 2 px."""
    low = for_low[::cell_px, ::cell_px].copy()
    high = for_high[::cell_px, ::cell_px].copy()
    for top in range(cell_px):
        for left in range(cell_px):
            np.minimum(low, for_low[top::cell_px, left::cell_px], out=low)
            np.maximum(high, for_high[top::cell_px, left::cell_px], out=high)
    return low.astype(np.int32), high.astype(np.int32)


def _nearest(defect: _Bools, axis: int) -> tuple[_Ints, _Ints]:
    """Return the indices along `axis` of the nearest cells without a defect, before and after.

    The index is −1 or n where there is none.
    """
    length = defect.shape[axis]
    index = np.arange(length, dtype=np.int32)
    index = index[None, :] if axis == 1 else index[:, None]
    before = np.maximum.accumulate(np.where(defect, np.int32(-1), index), axis=axis)
    after = np.where(defect, np.int32(length), index)
    after = np.flip(np.minimum.accumulate(np.flip(after, axis), axis=axis), axis)
    return before, after


def _score(m_d: _Ints, top_d: _Ints, m_n: _Ints, top_n: _Ints) -> npt.NDArray[np.float32]:
    d0 = np.minimum(np.abs(m_d - m_n), np.abs(top_d - top_n))
    return np.asarray(d0 + np.abs(top_d - m_n), np.float32)


def _column_reference(
    defect: _Bools, low: _Ints, high: _Ints, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]
) -> tuple[_Ints, _Ints]:
    """Return m and M of the nearest cell without a defect in the column, or the frame's medians."""
    height = defect.shape[0]
    above, below = (nearest[rows, cols] for nearest in _nearest(defect, axis=0))
    near_above = (above >= 0) & ((below >= height) | (rows - above <= below - rows))
    row = np.where(near_above, above, below)
    has_reference = row < height
    row = np.minimum(row, height - 1)
    m_n = np.where(has_reference, low[row, cols], np.median(low[~defect]))
    top_n = np.where(has_reference, high[row, cols], np.median(high[~defect]))
    return m_n.astype(np.int32), top_n.astype(np.int32)
