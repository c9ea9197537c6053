"""Properties of the pictures of a run, for the bundle to carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from edge.bundle import TrainedOn
from edge.bundle.manifest import MAX_SIZES
from models.data.dataset import Sample, read_pixels


def trained_on(samples: Iterable[Sample]) -> TrainedOn:
    """Sizes and channels of the samples' pictures as their files hold them, one sample at least.
    Reads every picture: some milliseconds each. Raises DataError."""
    sizes: Counter[tuple[int, int]] = Counter()
    channels: set[Literal[1, 3]] = set()
    for sample in samples:
        pixels = read_pixels(sample.image_path)
        sizes[pixels.shape[0], pixels.shape[1]] += 1
        channels.add(1 if pixels.ndim == 2 else 3)
    heights, widths = zip(*sizes, strict=True)
    # Equally usual ones by size: the same pictures give the same bundle.
    usual = sorted(sizes, key=lambda size: (-sizes[size], size))
    return TrainedOn(
        sizes=tuple(usual[:MAX_SIZES]),
        least=(min(heights), min(widths)),
        greatest=(max(heights), max(widths)),
        channels=tuple(sorted(channels)),
    )
