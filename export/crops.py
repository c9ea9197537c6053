"""Which pictures, and which part of them, calibrate the int8 networks and become golden frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from models.patches import Picture


def spread(
    pictures: tuple[Picture, ...], count: int, rng: np.random.Generator
) -> tuple[Picture, ...]:
    """Half defective, half good, as far as there are so many; in a fixed random order."""
    bad = [picture for picture in pictures if not picture.sample.is_good]
    good = [picture for picture in pictures if picture.sample.is_good]
    picked: list[Picture] = []
    for group in (bad, good):
        order = rng.permutation(len(group))[: -(-count // 2)]
        picked += [group[i] for i in order]
    return tuple(picked)


def frame_crops(
    pictures: Sequence[Picture], size: tuple[int, int]
) -> Iterator[npt.NDArray[np.uint8]]:
    """One crop of each picture at the static shape, about its defect where it has one."""
    for picture in pictures:
        height, width = picture.kind_map.shape
        rows, cols = np.nonzero(picture.kind_map)
        centre_y, centre_x = (
            (int(rows.mean()), int(cols.mean())) if rows.size else (height // 2, width // 2)
        )
        top = min(max(centre_y - size[0] // 2, 0), max(height - size[0], 0))
        left = min(max(centre_x - size[1] // 2, 0), max(width - size[1], 0))
        yield _padded(picture.pixels[top : top + size[0], left : left + size[1]], size)


def block_crops(
    pictures: Sequence[Picture], side: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.uint8]]:
    """Two blocks of each picture: one on its defect where it has one, one anywhere."""
    for picture in pictures:
        yield from frame_crops([picture], (side, side))
        height, width = picture.kind_map.shape
        top, left = (int(rng.integers(max(n - side, 0) + 1)) for n in (height, width))
        yield _padded(picture.pixels[top : top + side, left : left + side], (side, side))


def _padded(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    down, right = size[0] - pixels.shape[0], size[1] - pixels.shape[1]
    if not (down or right):
        return pixels
    grown = cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_REFLECT_101)
    return np.asarray(grown, np.uint8)
