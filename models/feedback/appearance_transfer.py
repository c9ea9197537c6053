"""Generated pictures of defects with a new appearance, for training and for the check of a route.

The new appearance is that of good parts which the old bundle rejected. No picture shows a defect on
such a part yet. Where the new appearance covers a small region, that region is pasted onto bad
parts (novel_regions.py). Where it covers the whole part, for instance with other lighting,
annotated defects are pasted onto the marked good parts. The first way is better where it is
possible: a pasted defect has its own rim, and lies above the new region and never below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.augmentation.copy_paste import paste_piece
from models.feedback.novel_regions import NovelRegion, paste_regions
from models.training.patches import Picture

PASTED_DEFECTS = 4  # number of defects for each marked part
PASTED_REGIONS = 2  # number of regions for each training picture
MOST = 200  # pictures of each kind for the check, and three times as many for training
MOST_BYTES = 1 << 30  # of pixels in the generated pictures of each kind


def synthetic_bad_parts(
    donors: Sequence[Picture],
    good: Sequence[Picture],
    novel_regions: Sequence[NovelRegion],
    seed: int,
) -> tuple[Picture, ...]:
    """Return bad parts with the new appearance, made from annotated bad parts (donors).

    With novel regions, each donor is used twice with such a region. Without, the defect of each
    donor is pasted once onto a good part. Returns at most MOST pictures.
    """
    if novel_regions:
        return paste_regions(
            donors, novel_regions, _most(PASTED_REGIONS * len(donors), MOST, donors), seed
        )
    return paste_defects(good, donors, _most(len(donors), MOST, good), seed)


def training_pictures(
    train: Sequence[Picture],
    good: Sequence[Picture],
    novel_regions: Sequence[NovelRegion],
    seed: int,
) -> tuple[Picture, ...]:
    """Return the pictures that a network learns from in addition to its training pictures.

    They are the good parts with the new appearance, repeated to about half the number of training
    pictures; these parts with pasted defects; and training pictures, good and bad, with novel
    regions. Empty without good parts.
    """
    if not good:
        return ()
    times = max(len(train) // len(good) // 2, 1)
    synthetic = paste_defects(good, train, _most(PASTED_DEFECTS * len(good), 3 * MOST, good), seed)
    pasted = paste_regions(
        train, novel_regions, _most(PASTED_REGIONS * len(train), 3 * MOST, train), seed + 1
    )
    return (*(tuple(good) * times), *synthetic, *pasted)


def _most(wanted: int, most: int, pictures: Sequence[Picture]) -> int:
    largest = max((picture.pixels.nbytes for picture in pictures), default=1)
    return min(wanted, most, max(MOST_BYTES // largest, 1))


def paste_defects(
    good: Sequence[Picture], donors: Sequence[Picture], count: int, seed: int
) -> tuple[Picture, ...]:
    """Paste defects of annotated pictures (donors) onto good ones. Deterministic by seed.

    Returns ``count`` pictures, or fewer where sizes differ: the good ones in turn, each with the
    defect of the next donor.
    """
    pictures = []
    bad = [donor for donor in donors if donor.kind_map.any()]
    for number in range(count if good and bad else 0):
        target, donor = good[number % len(good)], bad[number % len(bad)]
        if target.pixels.shape != donor.pixels.shape:
            continue
        rng = np.random.default_rng([seed, number])
        sound = np.zeros_like(target.kind_map)
        pixels, kind_map = paste_piece(target.pixels, sound, donor.pixels, donor.kind_map, rng)
        if kind_map.any():
            name = f"{target.sample.name} with the defect of {donor.sample.name}, {number}"
            sample = replace(donor.sample, name=name, masks=())
            pictures.append(Picture(sample, pixels, kind_map))
    return tuple(pictures)
