"""Boxes of label files: the outline of the defect in each box is estimated from the picture.

A box shows that a defect is inside, and not which of its pixels. The pixels that differ most from
the surface around the box are taken for the defect. The rest of the box is not known, and training
neither demands nor punishes anything there (docs/decisions/0062-outlines-estimated-in-boxes.md).
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from edge.data_folder import count
from models.data.dataset import Pixels, Sample, as_channels, shape_mask

Mask = npt.NDArray[np.bool_]

AROUND = 0.5  # of the sides of a box: so far the surface around it counts
LEAST_AROUND_PX = 8
LEAST_SPAN = 0.7  # of both sides of the box: a defect reaches all four of them
_SMOOTH_PX = 3  # side of the smoothing, and of the gaps that are closed


def estimate_outlines(
    sample: Sample, pixels: Pixels, kind_map: Pixels
) -> tuple[Pixels, Pixels] | None:
    """Return the kind map with estimated outlines in place of boxes, and the pixels that are not
    known, both uint8 H×W; None for a sample without boxes of a label file.

    pixels: uint8 H×W or H×W×3. kind_map: of the filled boxes. Not known, 1: the rest of each box.
    A box without a plausible outline stays filled. A drawn outline counts before a box. Of boxes
    that overlap, the later one counts.
    Raises DataError.
    """
    boxes = [shape for shape in sample.shapes if shape.area is not None and shape.area.is_box]
    if not boxes:
        return None
    grey = np.asarray(
        cv2.GaussianBlur(as_channels(pixels, 1), (_SMOOTH_PX, _SMOOTH_PX), 0), np.uint8
    )
    sound = kind_map == 0
    drawn = np.zeros(kind_map.shape, np.bool_)
    for shape in sample.shapes:
        if shape not in boxes:
            drawn |= shape_mask(shape, kind_map.shape)
    known, unknown = kind_map.copy(), np.zeros_like(kind_map)
    for shape in boxes:
        inside = shape_mask(shape, kind_map.shape)
        found = estimate_outline(grey, inside, sound)
        rest = np.zeros_like(inside) if found is None else inside & ~found & ~drawn
        known[inside], unknown[inside] = kind_map[inside], 0
        known[rest], unknown[rest] = 0, 1
    return known, unknown


def estimate_outline(grey: Pixels, inside: Mask, sound: Mask) -> Mask | None:
    """Return the pixels of a box that are taken for its defect, bool H×W; None where nothing in the
    box stands out.

    grey: smoothed, uint8 H×W. inside: the pixels of the box. sound: those without any annotation.
    Each pixel is compared with the median of the sound pixels around the box. Of darker and
    brighter pixels, the side with more energy is the defect. Its limit is that of Otsu 1979 (IEEE
    Trans. SMC 9:62) over the pixels of the box.
    """
    rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not rows.size:
        return None
    window = tuple(
        _grown(found, side) for found, side in zip((rows, cols), grey.shape, strict=True)
    )
    box, around = inside[window], sound[window] & ~inside[window]
    if not around.any():
        return None
    difference = grey[window].astype(np.float32) - np.median(grey[window][around])
    brighter = (np.clip(difference, 0, None)[box] ** 2).sum()
    darker = (np.clip(difference, None, 0)[box] ** 2).sum()
    strength = np.clip(difference if brighter > darker else -difference, 0, 255).astype(np.uint8)
    limit, _ = cv2.threshold(
        strength[box].reshape(-1, 1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU
    )
    found = ((strength > limit) & box).astype(np.uint8)
    square = np.ones((_SMOOTH_PX, _SMOOTH_PX), np.uint8)
    outline = (cv2.morphologyEx(found, cv2.MORPH_CLOSE, square) > 0) & box
    if not _spans(outline, box):
        return None
    whole = np.zeros(inside.shape, np.bool_)
    whole[window] = outline
    return whole


def is_boxed(sample: Sample) -> bool:
    """Return whether every defect of a sample is annotated, and by a box of a label file alone."""
    shapes = sample.shapes
    return bool(shapes) and all(s.area is not None and s.area.is_box for s in shapes)


def boxed_sentence(samples: Iterable[Sample]) -> str:
    """Return a sentence on the samples with boxes in place of masks; '' where there is none."""
    bad = [sample for sample in samples if not sample.is_good]
    boxed = sum(map(is_boxed, bad))
    if not boxed:
        return ""
    return (
        f"{boxed} of {count(len(bad), 'defective picture')} {'has' if boxed == 1 else 'have'} "
        "boxes in place of masks. Figures of pixels compare with outlines that are estimated from "
        "the pictures, so they show little of the true extent of a defect."
    )


def _grown(found: npt.NDArray[np.intp], side: int) -> slice:
    """Return the rows or columns of a box, with the surface around it."""
    first, last = int(found[0]), int(found[-1]) + 1
    margin = max(LEAST_AROUND_PX, int(AROUND * (last - first)))
    return slice(max(0, first - margin), min(side, last + margin))


def _spans(outline: Mask, box: Mask) -> bool:
    """Return whether an outline spans LEAST_SPAN of both sides of its box, within a pixel."""
    for axis in (0, 1):
        own, whole = (np.flatnonzero(each.any(axis)) for each in (outline, box))
        if not own.size or np.ptp(own) + 1 < LEAST_SPAN * (np.ptp(whole) + 1) - 1:
            return False
    return True
