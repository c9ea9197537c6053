"""Boxes of label files as weak labels: a defect lies in each box, and does not fill it.

The sides of a box are known, the pixels of its defect are not. Outside of all boxes the surface is
sound. Training demands a part of each box only (`models/training/losses.py`).
"""

from __future__ import annotations

import numpy as np

from models.data.dataset import Pixels, Sample, shape_mask

MOST_NUMBERS = 127  # different numbers of boxes in a picture; the next box has 1 again


def box_numbers(sample: Sample, size: tuple[int, ...]) -> Pixels | None:
    """Return the number of the box of each pixel, from 1; 0 where none is, or where an outline is
    drawn: uint8 H×W. None for a sample without boxes of a label file.

    size: H, W. Where boxes overlap, the later one counts. Raises DataError.
    """
    if not any(shape.area is not None and shape.area.is_box for shape in sample.shapes):
        return None
    numbers = np.zeros(size[:2], np.uint8)
    count = 0
    for shape in sample.shapes:
        is_box = shape.area is not None and shape.area.is_box
        numbers[shape_mask(shape, size)] = 1 + count % MOST_NUMBERS if is_box else 0
        count += is_box
    return numbers


def is_boxed(sample: Sample) -> bool:
    """Return whether every defect of a sample is annotated, and by a box of a label file alone."""
    shapes = sample.shapes
    return bool(shapes) and all(s.area is not None and s.area.is_box for s in shapes)
