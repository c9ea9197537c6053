"""Known defects set into marked good parts: what a bad part of the new look would show.

A chain that has learned to pass a new look may pass the defects on it too, and no old validation
part would tell: none of them has that look. Nobody has photographed such parts yet, so annotated
defects are set into the marked ones (models/transplant.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.patches import Picture
from models.transplant import transplant

MOST = 100  # to judge by; each donor once
EACH = 4  # to learn from, for each marked part


def grafted(
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
