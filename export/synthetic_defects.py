"""Painted flaws in place of defects, for a run whose training pictures show none.

Int8 is calibrated and judged on what a line must not miss. From good parts alone the ranges of
activations would end where defects begin, and no way to quantise could be told from another.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from models.augmentation.synthetic_defects import PAINTED, paint_flaw
from models.data.dataset import Pixels, Sample
from models.training.patches import Picture

UNSEEN = 90.0  # grey levels off the middle from which on chance has no say
TRIES = 8  # a flaw may be too faint to be seen; then another is painted


def no_defect_drawn(samples: Iterable[Sample]) -> bool:
    """Whether nobody drew a defect on any of them."""
    return not any(sample.masks or sample.boxes for sample in samples)


def is_synthetic(sample: Sample) -> bool:
    """Every second good picture, told by its name, so that it is the same one at each look."""
    return sample.is_good and zlib.crc32(sample.name.encode()) % 2 == 0


def add_synthetic_defect(sample: Sample, pixels: Pixels, kind_map: Pixels) -> tuple[Pixels, Pixels]:
    """The pair with a flaw in it that is the same at each look; as it was where none can be seen.

    uint8 H×W or H×W×3, and H×W. Half of the flaws are blots of black or white: a hole and a glint
    are the furthest that activations go, and int8 must not end before them.
    """
    code = zlib.crc32(sample.name.encode())
    rng = np.random.default_rng(code)
    if code % 4 == 0:
        return _blot(pixels, kind_map, rng)
    for _ in range(TRIES):
        painted, marked = paint_flaw(pixels, kind_map, rng)
        if marked.any():
            return painted, marked
    return pixels, kind_map


def _blot(pixels: Pixels, kind_map: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """An ellipse, black or white: by chance, but not what would hardly be seen there."""
    height, width = kind_map.shape
    axes = [int(rng.integers(2, max(min(height, width) // 12, 3) + 1)) for _ in range(2)]
    centre = int(rng.integers(width)), int(rng.integers(height))
    shape = np.zeros((height, width), np.uint8)
    cv2.ellipse(shape, centre, (axes[0], axes[1]), float(rng.integers(180)), 0, 360, PAINTED, -1)
    inside = shape > 0
    blotted, marked = pixels.copy(), kind_map.copy()
    white = float(pixels[inside].mean()) + float(rng.uniform(-UNSEEN, UNSEEN)) < 127.5
    blotted[inside] = 255 if white else 0
    marked[inside & (kind_map == 0)] = PAINTED
    return blotted, marked


def with_synthetic_defects(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """A copy with a flaw of every good picture that ``is_planted`` and shows it."""
    for picture in pictures:
        if is_synthetic(picture.sample):
            pixels, kind_map = add_synthetic_defect(
                picture.sample, picture.pixels, picture.kind_map
            )
            if kind_map.any():
                yield replace(picture, pixels=pixels, kind_map=kind_map)
