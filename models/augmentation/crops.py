"""Random crops with shift, flip, rotation, illumination, contrast and noise.

Source: He & Liu 2020 (IEEE Access 8:35583), section III.C.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The limits of random changes. The defaults change nothing.

    flip: mirror left-right and up-down, each in half of the cases. rotate_deg: the angle is uniform
    in ±rotate_deg. zoom: the factor is between 1 / (1 + zoom) and 1 + zoom, uniform in its
    logarithm. noise_sigma: normal noise in grey levels; its sigma is uniform between 0 and
    noise_sigma. illumination: 0 to 1. A linear ramp in a random direction multiplies the image, by
    1 ± at most this share at its ends. contrast: 0 to 1. The factor is uniform in 1 ± contrast,
    about the mean of the crop. brightness: the added grey levels are uniform in ±brightness.
    centre_on_defect: crop around a random defect pixel, if there is one, and not at a random place.
    shift_px: with centre_on_defect, largest distance of the crop from that pixel, on each axis.
    step_px: 0, or the step of a sliding window whose positions are the crops. The last position in
    a row or column is at the rim. With centre_on_defect, only positions that show the defect pixel.
    rim_share: share of the crops that are moved to the rim of the picture, along one axis or both.
    They are magnified and not turned. A station inspects whole pictures, and the padding of the
    network begins at their rim. With centre_on_defect a crop never loses its defect.
    """

    flip: bool = False
    rotate_deg: float = 0.0
    zoom: float = 0.0
    noise_sigma: float = 0.0
    illumination: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    centre_on_defect: bool = False
    shift_px: int = 0
    step_px: int = 0
    rim_share: float = 0.0


def augment(
    image: Pixels,
    kind_map: Pixels,
    options: Augmentation,
    rng: np.random.Generator,
    size_px: tuple[int, int],
) -> tuple[Pixels, Pixels]:
    """Return a random crop of size_px (height, width) and its kind map, as new uint8 arrays.

    image: uint8 H×W or H×W×3. kind_map: uint8 H×W. A smaller image, and places outside it after a
    rotation, are filled by reflection in both: the reflection of a defect is a defect. Equal states
    of rng give equal crops. Raises ValueError when the sizes differ.
    """
    if image.shape[:2] != kind_map.shape:
        raise ValueError(f"image is {image.shape} and kind map {kind_map.shape}; expected equal")
    image, kind_map = _pad(image, size_px), _pad(kind_map, size_px)
    height, width = size_px
    spot = _defect_pixel(kind_map, rng) if options.centre_on_defect else None
    left, top = _place(kind_map.shape, spot, options, rng, size_px)
    flips = rng.random(2) < 0.5 if options.flip else np.zeros(2, np.bool_)
    at_rim = options.rim_share > 0.0 and rng.random() < options.rim_share
    if at_rim:
        left, top = _to_rim(left, top, kind_map.shape, spot, rng, size_px)
    if options.rotate_deg > 0.0 or options.zoom > 0.0:
        angle_deg = rng.uniform(-options.rotate_deg, options.rotate_deg)
        factor = math.exp(rng.uniform(-1.0, 1.0) * math.log1p(options.zoom))
        middle = (left + (width - 1) / 2, top + (height - 1) / 2)
        if at_rim:
            angle_deg = 0.0
            factor, middle = _fitted(left, top, kind_map.shape, factor, size_px)
        image, kind_map = _turned(image, kind_map, middle, size_px, angle_deg, factor)
    else:
        image = image[top : top + height, left : left + width]
        kind_map = kind_map[top : top + height, left : left + width]
    rows, cols = slice(None, None, -1 if flips[0] else 1), slice(None, None, -1 if flips[1] else 1)
    image, kind_map = image[rows, cols], kind_map[rows, cols]
    return _photometric(np.ascontiguousarray(image), options, rng), kind_map.copy()


def _pad(pixels: Pixels, size_px: tuple[int, int]) -> Pixels:
    down, right = (max(0, size - side) for size, side in zip(size_px, pixels.shape, strict=False))
    if not down and not right:
        return pixels
    before, after = (down // 2, right // 2), (down - down // 2, right - right // 2)
    padded = cv2.copyMakeBorder(
        pixels, before[0], after[0], before[1], after[1], cv2.BORDER_REFLECT_101
    )
    return np.asarray(padded, np.uint8)


def _defect_pixel(kind_map: Pixels, rng: np.random.Generator) -> tuple[int, int] | None:
    """Return row and column of a random defect pixel; None without a defect."""
    defect = np.flatnonzero(kind_map != 0)
    if not defect.size:
        return None
    row, column = divmod(int(defect[rng.integers(defect.size)]), int(kind_map.shape[1]))
    return row, column


def _place(
    shape: tuple[int, ...],
    spot: tuple[int, int] | None,
    options: Augmentation,
    rng: np.random.Generator,
    size_px: tuple[int, int],
) -> tuple[int, int]:
    """Return left and top of the crop, inside the image. spot: row and column that it must show."""
    height, width = size_px
    most_left, most_top = shape[1] - width, shape[0] - height
    if options.step_px:
        lefts, tops = (_slid(most, options.step_px) for most in (most_left, most_top))
        if spot is not None:
            tops = tops[(tops <= spot[0]) & (spot[0] < tops + height)]
            lefts = lefts[(lefts <= spot[1]) & (spot[1] < lefts + width)]
        return int(rng.choice(lefts)), int(rng.choice(tops))
    if spot is not None:
        shift = rng.integers(-options.shift_px, options.shift_px + 1, size=2)
        left = spot[1] - width // 2 + int(shift[0])
        top = spot[0] - height // 2 + int(shift[1])
        return min(max(left, 0), most_left), min(max(top, 0), most_top)
    return int(rng.integers(most_left + 1)), int(rng.integers(most_top + 1))


def _to_rim(
    left: int,
    top: int,
    shape: tuple[int, ...],
    spot: tuple[int, int] | None,
    rng: np.random.Generator,
    size_px: tuple[int, int],
) -> tuple[int, int]:
    """The crop at a rim: of one axis, or in a corner. The spot stays inside."""
    axes = rng.integers(1, 4)  # 1 sideways, 2 up or down, 3 both
    places = []
    for place, axis, bit in ((left, 1, 1), (top, 0, 2)):
        most = shape[axis] - size_px[axis]
        ends = [end for end in (0, most) if spot is None or end <= spot[axis] < end + size_px[axis]]
        moved = ends[int(rng.integers(len(ends)))] if ends else place
        places.append(moved if axes & bit else place)
    return places[0], places[1]


def _fitted(
    left: int, top: int, shape: tuple[int, ...], factor: float, size_px: tuple[int, int]
) -> tuple[float, tuple[float, float]]:
    """Return the factor and the middle (x, y) with which a magnified crop still touches the rim.

    The factor is larger where the picture is too small for it.
    """
    factor = max(factor, *(size / side for size, side in zip(size_px, shape[:2], strict=True)))
    middle = []
    for place, axis in ((left, 1), (top, 0)):
        size, most = size_px[axis], shape[axis] - size_px[axis]
        reach = size / factor / 2  # half of the crop's side, in px of the picture
        wanted = place + size / 2
        if place == 0:
            wanted = reach
        elif place == most:
            wanted = shape[axis] - reach
        middle.append(min(max(wanted, reach), shape[axis] - reach) - 0.5)
    return factor, (middle[0], middle[1])


def _slid(most: int, step_px: int) -> npt.NDArray[np.int64]:
    """Return the positions of a window that slides from 0 to ``most`` in steps."""
    return np.unique(np.append(np.arange(0, most + 1, step_px), most))


def _turned(
    image: Pixels,
    kind_map: Pixels,
    middle: tuple[float, float],
    size_px: tuple[int, int],
    angle_deg: float,
    factor: float,
) -> tuple[Pixels, Pixels]:
    """Return the crop around a point (x, y), turned and magnified, in one step from the image."""
    cos = math.cos(math.radians(angle_deg)) / factor
    sin = math.sin(math.radians(angle_deg)) / factor
    x_half, y_half = (size_px[1] - 1) / 2, (size_px[0] - 1) / 2
    x_mid, y_mid = middle
    to_source = np.array(
        [
            [cos, -sin, x_mid - cos * x_half + sin * y_half],
            [sin, cos, y_mid - sin * x_half - cos * y_half],
        ]
    )
    size = (size_px[1], size_px[0])
    turned = cv2.warpAffine(
        image,
        to_source,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    kinds = cv2.warpAffine(
        kind_map,
        to_source,
        size,
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(turned, np.uint8), np.asarray(kinds, np.uint8)


def _photometric(image: Pixels, options: Augmentation, rng: np.random.Generator) -> Pixels:
    neutral = (options.illumination, options.contrast, options.brightness, options.noise_sigma)
    if not any(value > 0.0 for value in neutral):
        return image.copy()
    values = image.astype(np.float32)
    if options.illumination > 0.0:
        ramp = _ramp(values.shape[0], values.shape[1], rng)
        ramp *= np.float32(rng.uniform(0.0, options.illumination))
        ramp += np.float32(1.0)
        values *= ramp if values.ndim == 2 else ramp[:, :, None]
    gain = 1.0 + rng.uniform(-options.contrast, options.contrast) if options.contrast > 0.0 else 1.0
    offset = rng.uniform(-options.brightness, options.brightness) if options.brightness > 0.0 else 0
    if gain != 1.0 or offset != 0.0:
        offset += float(values.mean()) * (1.0 - gain)
        values *= np.float32(gain)
        values += np.float32(offset)
    if options.noise_sigma > 0.0:
        noise = rng.standard_normal(values.shape, dtype=np.float32)
        noise *= np.float32(rng.uniform(0.0, options.noise_sigma))
        values += noise
    values += np.float32(0.5)
    np.clip(values, 0.0, 255.0, out=values)
    return np.asarray(values, np.uint8)


def _ramp(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return a ramp in a random direction: float32 H×W from −1 to 1, 0 in the middle."""
    angle = rng.uniform(0.0, 2.0 * math.pi)
    across = np.linspace(-1.0, 1.0, width, dtype=np.float32) * np.float32(math.cos(angle))
    down = np.linspace(-1.0, 1.0, height, dtype=np.float32) * np.float32(math.sin(angle))
    ramp: npt.NDArray[np.float32] = down[:, None] + across[None, :]
    ramp /= np.float32(abs(math.cos(angle)) + abs(math.sin(angle)))
    return ramp
