"""Batches of whole pictures, from which the decision head learns: as many good as defective ones.

A patch of a defective part may show sound surface only, so the decision needs whole pictures.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.augmentation.crops import augment
from models.training.patches import Batch, Picture, severity_target
from models.training.recipe import Recipe

NEAR = 8  # pictures of a batch are among so many times its number that are nearest in size
MOST_ZOOM = 0.1  # a larger zoom would move a defect at the rim out of the picture
MOST_ROTATION_DEG = 10.0


class WholePictures:
    """Batches of augmented whole pictures. Batch i depends on the recipe's seed and i only.

    A target is one row per picture, float32 N×(cells + 1): the severity of each cell, and 12 for a
    defective part or 0 for a good one. The cells of a defective part without a mask are not
    known, and are NaN. Where no picture has a mask, no cell is known. multiple_px: of the network.
    truncate: λ of the labels.
    """

    def __init__(
        self, pictures: tuple[Picture, ...], recipe: Recipe, truncate: float, multiple_px: int
    ) -> None:
        """Raises ValueError unless there are good and defective pictures."""
        self._recipe, self._truncate, self._multiple = recipe, truncate, multiple_px
        ordered = sorted(pictures, key=lambda picture: picture.kind_map.size)
        self._sides = tuple(
            [picture for picture in ordered if picture.sample.is_good is good]
            for good in (True, False)
        )
        self._has_masks = any(picture.kind_map.any() for picture in pictures)
        if not all(self._sides):
            raise ValueError("a decision takes pictures of good and of defective parts")
        limits = recipe.augment.options(centre_on_defect=False)
        self._options = replace(
            limits,
            rotate_deg=min(limits.rotate_deg, MOST_ROTATION_DEG),
            zoom=min(limits.zoom, MOST_ZOOM),
            step_px=0,
            rim_share=0.0,
        )

    def batch(self, step: int) -> Batch:
        """Return pixels, uint8 N×C×h×w, and targets, float32 N×(cells + 1)."""
        rng = np.random.default_rng([self._recipe.seed, 1, step])
        chosen = self._choose(rng)
        height, width = (
            math.ceil(max(p.kind_map.shape[axis] for p in chosen) / self._multiple) * self._multiple
            for axis in (0, 1)
        )
        images, targets = [], []
        for picture in chosen:
            pixels, kind_map = augment(
                picture.pixels, picture.kind_map, self._options, rng, picture.kind_map.shape[:2]
            )
            pixels, kind_map = (_reflected(each, height, width) for each in (pixels, kind_map))
            images.append(pixels if pixels.ndim == 3 else pixels[:, :, None])
            targets.append(self._target(picture, pixels, kind_map))
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)), np.stack(targets)

    def _choose(self, rng: np.random.Generator) -> list[Picture]:
        """Return as many good as defective pictures of about one size."""
        options = self._recipe.detector
        good, bad = self._sides
        pivot = bad[rng.integers(len(bad))].kind_map.size
        pairs = max(1, min(options.batch, round(options.batch * options.patch_px**2 / pivot)) // 2)
        chosen = []
        for side in (good, bad):
            sizes = [picture.kind_map.size for picture in side]
            span = min(len(side), NEAR * pairs)
            # Sides are ordered by size: a window around the pivot, of all that have its size.
            low, high = bisect_left(sizes, pivot), bisect_right(sizes, pivot)
            if high - low < span:
                middle = (low + high) // 2
                low = min(max(middle - span // 2, 0), len(side) - span)
                high = low + span
            chosen += [side[i] for i in rng.integers(low, high, pairs)]
        return chosen

    def _target(
        self, picture: Picture, pixels: npt.NDArray[np.uint8], kind_map: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        recipe = self._recipe
        cells = severity_target(
            pixels, kind_map, recipe.detector.resolution, recipe.labels, self._truncate
        ).ravel()
        if picture.sample.unmasked or not self._has_masks:
            cells = np.full_like(cells, np.nan)
        return np.append(cells, np.float32(0.0 if picture.sample.is_good else 12.0))


def _reflected(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return the picture, extended at its right and bottom by reflection as on the station."""
    pad = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]))
    return np.pad(pixels, pad + ((0, 0),) * (pixels.ndim - 2), mode="reflect")
