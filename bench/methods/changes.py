"""Changes of a picture that a line causes without a change of the part."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from models.data.dataset import Pixels

Change = Callable[[Pixels], Pixels]

BRIGHTNESS = 0.3  # share of the light
BLUR_PX = 1.0  # standard deviation
NOISE = 5.0  # grey levels, standard deviation
SHIFT_PX = 3
OCCLUDED = 0.15  # share of each side, in the middle of the picture
GREY = 20  # grey level of the object that lies on the part


def _light(factor: float) -> Change:
    def change(pixels: Pixels) -> Pixels:
        return np.asarray(np.clip(pixels * factor + 0.5, 0, 255), np.uint8)

    return change


def _blur(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), BLUR_PX), np.uint8)


def _noise(pixels: Pixels) -> Pixels:
    rng = np.random.default_rng(0)
    noisy = pixels + rng.normal(0, NOISE, pixels.shape) + 0.5
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _shift(pixels: Pixels) -> Pixels:
    """Move the picture to the right and down; the rim is reflected."""
    height, width = pixels.shape[:2]
    grown = cv2.copyMakeBorder(pixels, SHIFT_PX, 0, SHIFT_PX, 0, cv2.BORDER_REFLECT_101)
    return np.ascontiguousarray(grown[:height, :width], np.uint8)


def occlude(pixels: Pixels) -> Pixels:
    """Put a dark patch in the middle. A good part must then be rejected."""
    height, width = pixels.shape[:2]
    h, w = max(round(height * OCCLUDED), 1), max(round(width * OCCLUDED), 1)
    changed = pixels.copy()
    top, left = (height - h) // 2, (width - w) // 2
    changed[top : top + h, left : left + w] = GREY
    return changed


# Each change leaves a good part good and a defective part defective.
CHANGES: dict[str, Change] = {
    "darker": _light(1 - BRIGHTNESS),
    "brighter": _light(1 + BRIGHTNESS),
    "blur": _blur,
    "noise": _noise,
    "shift": _shift,
}
OCCLUSION = "occlusion"
