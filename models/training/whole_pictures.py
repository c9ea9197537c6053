"""Batches of whole pictures, from which the decision head learns: as many good as defective ones.

A patch of a defective part may show sound surface only, so the decision needs whole pictures.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.augmentation.crops import Augmentation, augment
from models.training.patches import Batch, Picture

NEAR = 8  # pictures of a batch are among so many times its number that are nearest in size
MOST_ZOOM = 0.1  # a larger zoom would move a defect at the rim out of the picture
MOST_ROTATION_DEG = 10.0


Cells = npt.NDArray[np.float32]
Label = Callable[[npt.NDArray[np.uint8], npt.NDArray[np.uint8]], Cells]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The choice of pictures. seed: of the batches. batch: number of pictures of patch_px a side.

    Of larger pictures there are fewer in a batch, at least one of a side. limits: of the random
    changes.
    """

    seed: int
    batch: int
    patch_px: int
    limits: Augmentation


class WholePictures:
    """Batches of augmented whole pictures. Batch i depends on the seed and i only.

    A target is one row per picture, float32 N×(cells + 1): the value of each cell, and 12 for a
    defective part or 0 for a good one. The cells of a defective part without a mask, or
    with boxes, are not known, and are NaN.
    """

    def __init__(
        self,
        pictures: tuple[Picture, ...],
        sampling: Sampling,
        label: Label,
        multiple_px: int,
        *,
        sound_is_known: bool = True,
    ) -> None:
        """Raises ValueError without a picture.

        label: returns the cells of pixels and kind map, float32 rows×cols. multiple_px: of the
        network. sound_is_known: false makes the cells of good parts NaN as well.
        """
        self._sampling, self._label, self._multiple = sampling, label, multiple_px
        self._sound_is_known = sound_is_known
        ordered = sorted(pictures, key=lambda picture: picture.kind_map.size)
        sides = (
            [picture for picture in ordered if picture.sample.is_good is good]
            for good in (True, False)
        )
        self._sides = tuple(side for side in sides if side)
        if not self._sides:
            raise ValueError("no picture to learn from")
        self._options = replace(
            sampling.limits,
            rotate_deg=min(sampling.limits.rotate_deg, MOST_ROTATION_DEG),
            zoom=min(sampling.limits.zoom, MOST_ZOOM),
            step_px=0,
            rim_share=0.0,
        )

    def batch(self, step: int) -> Batch:
        """Return pixels, uint8 N×C×h×w, and targets, float32 N×(cells + 1)."""
        rng = np.random.default_rng([self._sampling.seed, 1, step])
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
        """Return as many good as defective pictures of about one size.

        Where one side has no picture, all are of the other.
        """
        options = self._sampling
        leading = self._sides[-1]  # the defective ones, where there are some
        pivot = leading[rng.integers(len(leading))].kind_map.size
        count = min(options.batch, round(options.batch * options.patch_px**2 / pivot))
        each = max(1, count // len(self._sides))
        chosen = []
        for side in self._sides:
            sizes = [picture.kind_map.size for picture in side]
            span = min(len(side), NEAR * each)
            # Sides are ordered by size: a window around the pivot, of all that have its size.
            low, high = bisect_left(sizes, pivot), bisect_right(sizes, pivot)
            if high - low < span:
                middle = (low + high) // 2
                low = min(max(middle - span // 2, 0), len(side) - span)
                high = low + span
            chosen += [side[i] for i in rng.integers(low, high, each)]
        return chosen

    def _target(
        self, picture: Picture, pixels: npt.NDArray[np.uint8], kind_map: npt.NDArray[np.uint8]
    ) -> Cells:
        cells = self._label(pixels, kind_map).ravel()
        good = picture.sample.is_good
        unknown = picture.sample.unmasked or picture.unknown is not None
        if unknown or (good and not self._sound_is_known):
            cells = np.full_like(cells, np.nan)
        return np.append(cells, np.float32(0.0 if good else 12.0))


def _reflected(pixels: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return the picture, extended at its right and bottom by reflection as on the station."""
    pad = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]))
    return np.pad(pixels, pad + ((0, 0),) * (pixels.ndim - 2), mode="reflect")
