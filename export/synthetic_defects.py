"""Synthetic defects for the export of a run whose training pictures have no drawn defect.

Int8 is calibrated and compared on the defects that a line must not miss. Good parts alone would
give ranges of activations that end where defects begin, and all ways to quantise would look equal.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from edge.bundle import AlignmentManifest
from models.augmentation.synthetic_defects import SYNTHETIC, add_defect
from models.data.dataset import Pixels, Sample
from models.training.alignment import change_part
from models.training.patches import Picture

UNSEEN = 90.0  # grey levels from the middle; beyond them the colour of a blot is not random
TRIES = 8  # a synthetic defect may be too faint to be visible; then another is made


def no_defect_drawn(samples: Iterable[Sample]) -> bool:
    """Return true where none of the samples has a drawn defect."""
    return not any(sample.masks or sample.boxes or sample.shapes for sample in samples)


def is_synthetic(sample: Sample) -> bool:
    """Return true for every second good picture. The choice depends on the name only."""
    return sample.is_good and zlib.crc32(sample.name.encode()) % 2 == 0


def add_synthetic_defect(
    sample: Sample,
    pixels: Pixels,
    kind_map: Pixels,
    alignment: AlignmentManifest | None = None,
) -> tuple[Pixels, Pixels]:
    """Return pixels and kind map with a synthetic defect; unchanged where none is visible.

    pixels: uint8 H×W or H×W×3. kind_map: uint8 H×W. alignment: the defect is placed in the aligned
    picture, because a defect on the ground is not a defect of the part. The defect depends on the
    name of the sample only. Half of the defects are black or white blots: a hole and a reflection
    give the largest activations, and the range of int8 must include them.
    """
    return change_part(pixels, kind_map, alignment, partial(_add, sample))


def _add(sample: Sample, pixels: Pixels, kind_map: Pixels) -> tuple[Pixels, Pixels]:
    code = zlib.crc32(sample.name.encode())
    rng = np.random.default_rng(code)
    if code % 4 == 0:
        return _blot(pixels, kind_map, rng)
    for _ in range(TRIES):
        changed, marked = add_defect(pixels, kind_map, rng)
        if marked.any():
            return changed, marked
    return pixels, kind_map


def _blot(pixels: Pixels, kind_map: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """Add a black or white ellipse. The colour is random, but never close to the surface's."""
    height, width = kind_map.shape
    axes = [int(rng.integers(2, max(min(height, width) // 12, 3) + 1)) for _ in range(2)]
    centre = int(rng.integers(width)), int(rng.integers(height))
    shape = np.zeros((height, width), np.uint8)
    cv2.ellipse(shape, centre, (axes[0], axes[1]), float(rng.integers(180)), 0, 360, SYNTHETIC, -1)
    return _filled(pixels, kind_map, shape > 0, float(rng.uniform(-UNSEEN, UNSEEN)))


def _filled(
    pixels: Pixels, kind_map: Pixels, inside: npt.NDArray[np.bool_], shift: float = 0.0
) -> tuple[Pixels, Pixels]:
    """Fill a region with the farther of black and white from its mean grey level plus ``shift``."""
    filled, marked = pixels.copy(), kind_map.copy()
    filled[inside] = 255 if float(pixels[inside].mean()) + shift < 127.5 else 0
    marked[inside & (kind_map == 0)] = SYNTHETIC
    return filled, marked


def with_disc(
    picture: Picture, share: float, alignment: AlignmentManifest | None = None
) -> Picture:
    """Return a copy with a black or white disc in its middle, or in that of the aligned part.

    share: diameter of the disc, as a share of the shorter side of the picture.
    """

    def draw(pixels: Pixels, kind_map: Pixels) -> tuple[Pixels, Pixels]:
        height, width = kind_map.shape
        down, across = np.ogrid[:height, :width]
        from_middle = np.hypot(down - (height - 1) / 2, across - (width - 1) / 2)
        return _filled(pixels, kind_map, from_middle <= share * min(height, width) / 2)

    pixels, kind_map = change_part(picture.pixels, picture.kind_map, alignment, draw)
    return replace(picture, pixels=pixels, kind_map=kind_map)


def with_synthetic_defects(
    pictures: Iterable[Picture], alignment: AlignmentManifest | None = None
) -> Iterator[Picture]:
    """Yield copies of the pictures chosen by ``is_synthetic``, each with a visible defect.

    alignment: of the parts, as for ``add_synthetic_defect``.
    """
    for picture in pictures:
        if is_synthetic(picture.sample):
            pixels, kind_map = add_synthetic_defect(
                picture.sample, picture.pixels, picture.kind_map, alignment
            )
            if kind_map.any():
                yield replace(picture, pixels=pixels, kind_map=kind_map)
