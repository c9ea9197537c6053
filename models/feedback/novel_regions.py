"""What is new on marked good parts, set into known ones: bad parts of the new look, and good ones.

A chain that is taught to pass a new look may pass the defects beside it too, and nobody has
pictures of such parts yet. What the old detector reports on a part that is good *is* the new look:
it is lifted off and laid on annotated parts, whose defects stay as they are. In the manner of
Ghiasi et al. 2021 (Simple Copy-Paste, CVPR), with what is harmless instead of what is not.
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

MOST_SHARE = 0.25  # of a picture; what covers more (other light, another grain) lies on nothing
IN_PLACE = 0.25  # the share that is laid where it was: a stamp is always at one place, dirt is not
_GROWN_PX = 4  # the detector reports the middle of a mark
_RIM_SIGMA_PX = 1.5
_AROUND_PX = 12  # beyond the mask, for the surface under it to be guessed from
_INPAINT_PX = 5.0
_GRAIN_SIGMA_PX = 0.8  # of what is laid on: the grain of its own surface stays behind


@dataclass(frozen=True, slots=True)
class NovelRegion:
    """A window of a good part that was kicked. source: the part's name; pixels: uint8 h×w or h×w×3;
    mask: uint8 h×w, 1 where the new thing is; change: float32 as pixels, what it adds to the
    surface; left, top: where the window lies in its picture."""

    source: str
    pixels: Pixels
    mask: Pixels
    change: npt.NDArray[np.float32]
    left: int
    top: int


def find_novel_regions(
    detector: Detector, good: Sequence[Picture], threshold: float
) -> tuple[NovelRegion, ...]:
    """One for each good part on which something is reported, and not nearly everywhere. Blocks for
    the detector."""
    found = (_novel_region(detector, picture, threshold) for picture in good)
    return tuple(region for region in found if region is not None)


def _novel_region(detector: Detector, picture: Picture, threshold: float) -> NovelRegion | None:
    height, width = picture.kind_map.shape
    kept = apply_threshold(detector.detect(picture.pixels), threshold, height, width)
    if kept is None or not kept.pixels.any() or kept.pixels.sum() > MOST_SHARE * height * width:
        return None
    mask = np.zeros((height, width), np.uint8)
    inside = mask[kept.top :, kept.left :]
    inside[: kept.pixels.shape[0], : kept.pixels.shape[1]] = kept.pixels > 0
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
    """A copy with the novelty somewhere; the annotation stays. Both must have as many channels, and
    the picture must be as large as the window. Deterministic by rng.

    Over a defect, and in half of the other cases, what the novelty adds to its surface is added to
    this one; else its pixels take the place of these, at their brightness. Either leaves other
    traces, so neither can be learned instead of the novelty.
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
    """``count`` pictures, fewer where none is large enough: the pictures in turn, each with a
    novelty drawn for it."""
    found = []
    for number in range(count if pictures else 0):
        picture = pictures[number % len(pictures)]
        rng = np.random.default_rng([seed, number])
        fitting = [each for each in novel_regions if _fits(picture, each)]
        if fitting:
            region = fitting[rng.integers(len(fitting))]
            name = f"{picture.sample.name} with what is new on {region.source}, {number}"
            pasted = paste_region(picture, region, rng)
            found.append(replace(pasted, sample=replace(picture.sample, name=name, masks=())))
    return tuple(found)


def _fits(picture: Picture, region: NovelRegion) -> bool:
    sides = zip(picture.kind_map.shape, region.mask.shape, strict=True)
    return picture.pixels.ndim == region.pixels.ndim and all(a >= b for a, b in sides)


def _level(values: npt.NDArray[np.float32], where: npt.NDArray[np.bool_]) -> np.float32:
    return np.float32(values[where].mean())
