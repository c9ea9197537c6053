"""Masks as runs: pairs of start and length over the pixels, row by row. The page sends this form.

A mask of 20 megapixels with one defect is a few hundred numbers. The server writes the PNG itself,
so that no picture from the network is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.labelling.errors import LabelPageError


def encode_runs(mask: NDArray[np.bool_]) -> list[int]:
    """Return the runs of a mask, bool H×W: start, length, start, length, …"""
    flat = np.concatenate(([0], mask.reshape(-1).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(flat))
    starts, ends = edges[::2], edges[1::2]
    return [int(value) for value in np.stack([starts, ends - starts], axis=1).reshape(-1)]


def decode_runs(runs: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of these runs, bool height×width.

    Runs ascend, do not overlap and lie inside the picture. Raises LabelPageError otherwise.
    """
    expected = f"runs: expected ascending pairs of start and length inside {width}×{height} px"
    size = height * width
    try:
        pairs = np.asarray(runs, dtype=np.int64).reshape(-1, 2)
    except (OverflowError, ValueError) as error:
        raise LabelPageError(expected) from error
    # Each number is checked before sums are, which would overflow.
    if pairs.size and (int(pairs.min()) < 0 or int(pairs.max()) > size):
        raise LabelPageError(expected)
    starts, ends = pairs[:, 0], pairs.sum(axis=1)
    ascends = bool((ends > starts).all() and (starts[1:] >= ends[:-1]).all())
    if len(pairs) and not (ascends and ends[-1] <= size):
        raise LabelPageError(expected)
    change = np.zeros(size + 1, np.int8)
    np.add.at(change, starts, 1)
    np.add.at(change, ends, -1)
    return np.asarray(np.cumsum(change[:-1], dtype=np.int8) > 0).reshape(height, width)
