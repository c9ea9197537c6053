"""Painted flaws in place of defects, for a run whose training pictures show none.

Int8 is calibrated and judged on what a line must not miss. From good parts alone the ranges of
activations would end where defects begin, and no way to quantise could be told from another.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from models.data.dataset import Pixels, Sample
from models.paint import paint_flaw
from models.patches import Picture

TRIES = 8  # a flaw may be too faint to be seen; then another is painted


def none_drawn(samples: Iterable[Sample]) -> bool:
    """Whether nobody drew a defect on any of them."""
    return not any(sample.masks for sample in samples)


def is_planted(sample: Sample) -> bool:
    """Every second good picture, told by its name, so that it is the same one at each look."""
    return sample.is_good and zlib.crc32(sample.name.encode()) % 2 == 0


def plant(sample: Sample, pixels: Pixels, kind_map: Pixels) -> tuple[Pixels, Pixels]:
    """The pair with a flaw in it that is the same at each look; as it was where none can be seen.

    uint8 H×W or H×W×3, and H×W.
    """
    rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
    for _ in range(TRIES):
        painted, marked = paint_flaw(pixels, kind_map, rng)
        if marked.any():
            return painted, marked
    return pixels, kind_map


def planted(pictures: Iterable[Picture]) -> Iterator[Picture]:
    """A copy with a flaw of every good picture that ``is_planted`` and shows it."""
    for picture in pictures:
        if is_planted(picture.sample):
            pixels, kind_map = plant(picture.sample, picture.pixels, picture.kind_map)
            if kind_map.any():
                yield replace(picture, pixels=pixels, kind_map=kind_map)
