"""The selection of pictures, and of crops of them, for calibration and for golden frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import overload

import cv2
import numpy as np

from models.data.dataset import Pixels, Sample

Load = Callable[[Sample], tuple[Pixels, Pixels]]


def spread(samples: Sequence[Sample], count: int, seed: int = 0) -> tuple[Sample, ...]:
    """Select at most ``count`` samples in a random order that depends on ``seed`` only.

    Half are defective, with the kinds in turn, and half are good, where there are enough.
    """
    rng = np.random.default_rng(seed)
    order = [samples[i] for i in rng.permutation(len(samples))]
    good = [sample for sample in order if sample.is_good]
    by_kind: dict[str, list[Sample]] = {}
    for sample in order:
        if not sample.is_good:
            by_kind.setdefault(sample.kinds[0], []).append(sample)
    turns = zip_longest(*(by_kind[kind] for kind in sorted(by_kind)))
    bad = [sample for turn in turns for sample in turn if sample is not None]
    few_good = good[: max(count // 2, count - len(bad))]
    return (*bad[: count - len(few_good)], *few_good)


class FrameCrops(Sequence[Pixels]):
    """One crop of each picture in the static shape, around its defect where it has one.

    load: returns the pixels and the kind map of a sample. It is called on every access, so that the
    memory holds one picture at a time.
    """

    def __init__(self, samples: Sequence[Sample], load: Load, size: tuple[int, int]) -> None:
        self._samples, self._load, self._size = samples, load, size

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | Sequence[Pixels]:
        if isinstance(index, slice):
            return FrameCrops(self._samples[index], self._load, self._size)
        return crop(*self._load(self._samples[index]), self._size)


class BlockCrops(Sequence[Pixels]):
    """Two square blocks of each picture: one on its defect, if any, and one at random."""

    def __init__(self, samples: Sequence[Sample], load: Load, side: int) -> None:
        self._samples, self._load, self._side = samples, load, side

    def __len__(self) -> int:
        return 2 * len(self._samples)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | Sequence[Pixels]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        pixels, kind_map = self._load(self._samples[index // 2])
        side = self._side
        if index % 2 == 0:
            return crop(pixels, kind_map, (side, side))
        rng = np.random.default_rng(index)
        top, left = (int(rng.integers(max(n - side, 0) + 1)) for n in pixels.shape[:2])
        return padded(pixels[top : top + side, left : left + side], (side, side))


def crop(pixels: Pixels, kind_map: Pixels, size: tuple[int, int]) -> Pixels:
    """Return a crop of a picture around its defect, or around its centre.

    size: height and width of the crop. A smaller picture is extended by reflection.
    """
    height, width = kind_map.shape
    rows, cols = np.nonzero(kind_map)
    centre_y, centre_x = (
        (int(rows.mean()), int(cols.mean())) if rows.size else (height // 2, width // 2)
    )
    top = min(max(centre_y - size[0] // 2, 0), max(height - size[0], 0))
    left = min(max(centre_x - size[1] // 2, 0), max(width - size[1], 0))
    return padded(pixels[top : top + size[0], left : left + size[1]], size)


def padded(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Extend a picture by reflection at the right and bottom, as a station does with its frames."""
    down, right = size[0] - pixels.shape[0], size[1] - pixels.shape[1]
    if not (down or right):
        return pixels
    grown = cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_REFLECT_101)
    return np.asarray(grown, np.uint8)
