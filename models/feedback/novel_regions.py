"""Novel regions: what the old detector reports on good parts, pasted onto annotated parts.

A chain that learns to pass a new appearance may also pass the defects beside it, and there are no
pictures of such parts yet. The region that the old detector reports on a good part has the new
appearance. It is cut out and pasted onto annotated parts, whose defects stay unchanged. The method
follows Ghiasi et al. 2021 (Simple Copy-Paste, CVPR), but pastes harmless regions, not defects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.detect import Detector
from edge.chain.filter import apply_threshold
from models.data.dataset import Pixels
from models.training.patches import Picture

MOST_SHARE = 0.25  # of a picture; a larger region (other lighting or noise) cannot be cut out
IN_PLACE = 0.25  # share pasted at the original place: a stamp is always there, dirt is not
_GROWN_PX = 4  # the detector reports the middle of a mark only
_RIM_SIGMA_PX = 1.5
_AROUND_PX = 12  # around the mask, from which the surface below it is estimated
_INPAINT_PX = 5.0
_GRAIN_SIGMA_PX = 0.8  # removes the noise of the original surface from the pasted change


@dataclass(frozen=True, slots=True)
class NovelRegion:
    """A window of a good part that was rejected.

    Attributes:
        source: name of the part.
        pixels: uint8 h×w or h×w×3.
        mask: uint8 h×w, 1 inside the region.
        change: float32 in the shape of pixels: the difference to the surface.
        left: left edge of the window in its picture, in pixels.
        top: top edge of the window in its picture, in pixels.
    """

    source: str
    pixels: Pixels
    mask: Pixels
    change: npt.NDArray[np.float32]
    left: int
    top: int


def find_novel_regions(
    detector: Detector, good: Sequence[Picture], threshold: float
) -> tuple[NovelRegion, ...]:
    """Return one region for each good part with a reported region of at most MOST_SHARE.

    Blocks for the detector.
    """
    regions = (_novel_region(detector, picture, threshold) for picture in good)
    return tuple(region for region in regions if region is not None)


def _novel_region(detector: Detector, picture: Picture, threshold: float) -> NovelRegion | None:
    height, width = picture.kind_map.shape
    reported = apply_threshold(detector.detect(picture.pixels), threshold, height, width)
    if (
        reported is None
        or not reported.pixels.any()
        or reported.pixels.sum() > MOST_SHARE * height * width
    ):
        return None
    mask = np.zeros((height, width), np.uint8)
    inside = mask[reported.top :, reported.left :]
    inside[: reported.pixels.shape[0], : reported.pixels.shape[1]] = reported.pixels > 0
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _GROWN_PX + 1,) * 2)
    mask = np.asarray(cv2.dilate(mask, disc), np.uint8)
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(int(rows[0]) - _AROUND_PX, 0), max(int(cols[0]) - _AROUND_PX, 0)
    window = np.s_[top : int(rows[-1]) + 1 + _AROUND_PX, left : int(cols[-1]) + 1 + _AROUND_PX]
    if mask[window].all():
        return None
    pixels, mask = picture.pixels[window].copy(), mask[window].copy()
    plain = cv2.inpaint(pixels, mask, _INPAINT_PX, cv2.INPAINT_TELEA).astype(np.float32)
    change = cv2.GaussianBlur(pixels - plain, (0, 0), _GRAIN_SIGMA_PX)
    return NovelRegion(picture.sample.name, pixels, mask, np.asarray(change, np.float32), left, top)


def paste_region(picture: Picture, region: NovelRegion, rng: np.random.Generator) -> Picture:
    """Return a copy of a picture with the region at a random place; the annotation is unchanged.

    Both must have the same number of channels, and the picture must be at least as large as the
    window. Deterministic by rng.

    Over a defect, and in half of the other cases, the change of the region is added to the surface.
    Otherwise the pixels of the region replace those of the picture, with its brightness. Each way
    leaves other traces, so a network cannot learn the traces instead of the region.
    """
    height, width = picture.kind_map.shape
    high, wide = region.mask.shape
    left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - high + 1))
    if rng.random() < IN_PLACE:
        left, top = min(region.left, width - wide), min(region.top, height - high)
    place = np.s_[top : top + high, left : left + wide]
    under = picture.pixels[place].astype(np.float32)
    own = region.pixels.astype(np.float32)
    share = cv2.GaussianBlur(region.mask.astype(np.float32), (0, 0), _RIM_SIGMA_PX)
    weight = share if own.ndim == 2 else share[:, :, None]
    around = region.mask == 0
    hidden = (picture.kind_map[place] > 0) & ~around
    if hidden.any() or rng.random() < 0.5:
        mixed = under + weight * region.change
    else:
        mixed = under + weight * (own + (_level(under, around) - _level(own, around)) - under)
    pixels = picture.pixels.copy()
    pixels[place] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    return replace(picture, pixels=pixels)


def paste_regions(
    pictures: Sequence[Picture], novel_regions: Sequence[NovelRegion], count: int, seed: int
) -> tuple[Picture, ...]:
    """Paste a random region onto each of the pictures in turn. Deterministic by seed.

    Returns ``count`` pictures, or fewer where no region fits.
    """
    results = []
    for number in range(count if pictures else 0):
        picture = pictures[number % len(pictures)]
        rng = np.random.default_rng([seed, number])
        fitting = [each for each in novel_regions if _fits(picture, each)]
        if fitting:
            region = fitting[rng.integers(len(fitting))]
            name = f"{picture.sample.name} with the new region of {region.source}, {number}"
            pasted = paste_region(picture, region, rng)
            results.append(replace(pasted, sample=replace(picture.sample, name=name, masks=())))
    return tuple(results)


def _fits(picture: Picture, region: NovelRegion) -> bool:
    sides = zip(picture.kind_map.shape, region.mask.shape, strict=True)
    return picture.pixels.ndim == region.pixels.ndim and all(a >= b for a, b in sides)


def _level(values: npt.NDArray[np.float32], where: npt.NDArray[np.bool_]) -> np.float32:
    return np.float32(values[where].mean())
