"""Pixels of masks: whether anything is drawn, and whether a picture looks like a mask at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.errors import FrameError
from edge.images import read_image

# Of a mask nearly every pixel is black or white: of 1,154 published masks with soft edges (Magnetic
# Tile, KolektorSDD, DeepCrack) 93.4 % or more lie within 8 greys of an end.
_END_GREYS = 8
_LEAST_SHARE = 0.9
_PROBES = 5  # pictures of a folder that are looked at
_MOST_INDICES = 16  # a mask of numbers, one a kind, holds few of them, and none that is bright


def is_drawn(path: Path) -> bool:
    """Return whether a mask has a pixel that is not black. Raises FrameError."""
    return bool(read_image(path).any())


def may_be_drawn(path: Path) -> bool:
    """Return whether a mask has a pixel that is not black; also True for a file that cannot be
    read."""
    try:
        return is_drawn(path)
    except FrameError:
        return True


def looks_like_mask(path: Path) -> bool:
    """Return whether nearly all is black or white, or the values are few and small. Return False
    for a file that cannot be read."""
    try:
        pixels = read_image(path)
    except FrameError:
        return False
    ends = (pixels < _END_GREYS) | (pixels >= 256 - _END_GREYS)
    if ends.mean() >= _LEAST_SHARE:
        return True
    flat = pixels.reshape(-1, pixels.shape[2]) if pixels.ndim == 3 else pixels.reshape(-1, 1)
    some = flat[:: max(1, len(flat) // 65536)]
    colours = np.unique(some, axis=0)
    return len(colours) <= _MOST_INDICES and bool((colours == 0).all(axis=1).any())


def are_masks(some: Sequence[Path]) -> bool:
    """Return whether most of the probed files look like masks and at least one is not empty. The
    probes are spread over all files."""
    probes = some[:: max(1, len(some) // _PROBES)][:_PROBES]
    masks = [path for path in probes if looks_like_mask(path)]
    return len(masks) * 2 > len(probes) and any(is_drawn(path) for path in masks)
