"""Known defects set into marked good parts: what a bad part of the new look would show.

The way where the new look is everywhere, as other light is: annotated defects are set into marked
parts (models/augmentation/copy_paste.py). What lies at one place is better laid on bad parts
(novelty.py): a defect that is set in brings its own rim, and lies on the new thing and never under
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.augmentation.copy_paste import transplant
from models.training.patches import Picture


def paste_defects(
    good: Sequence[Picture], donors: Sequence[Picture], count: int, seed: int
) -> tuple[Picture, ...]:
    """``count`` pictures, fewer where sizes do not fit: the good ones in turn, each with the defect
    of another donor. donors: annotated. Deterministic."""
    found = []
    bad = [donor for donor in donors if donor.kind_map.any()]
    for number in range(count if good and bad else 0):
        target, donor = good[number % len(good)], bad[number % len(bad)]
        if target.pixels.shape != donor.pixels.shape:
            continue
        rng = np.random.default_rng([seed, number])
        sound = np.zeros_like(target.kind_map)
        pixels, kind_map = transplant(target.pixels, sound, donor.pixels, donor.kind_map, rng)
        if kind_map.any():
            name = f"{target.sample.name} with the defect of {donor.sample.name}, {number}"
            sample = replace(donor.sample, name=name, masks=())
            found.append(Picture(sample, pixels, kind_map))
    return tuple(found)
