"""Boxes of label files as weak labels: a defect lies in each box, and does not fill it.

The sides of a box are known, the pixels of its defect are not. Outside of all boxes the surface is
sound. Training demands a part of each box only (`models/training/losses.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge.data_folder import count
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
    found = 0
    for shape in sample.shapes:
        is_box = shape.area is not None and shape.area.is_box
        numbers[shape_mask(shape, size)] = 1 + found % MOST_NUMBERS if is_box else 0
        found += is_box
    return numbers


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
        "boxes in place of masks. Figures of pixels compare with every pixel of a box, so they "
        "show little of the extent of a defect."
    )
