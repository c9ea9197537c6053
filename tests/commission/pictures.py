"""Pictures for tests: a surface with edges, sharp or blurred, bright or dark."""

from __future__ import annotations

import cv2
import numpy as np

from edge.commission.sharpness import Pixels


def tiles(
    *, seed: int = 0, size: tuple[int, int] = (96, 128), low: int = 140, high: int = 180
) -> Pixels:
    """Squares of 8 px at random levels, height × width; all above what tests.support.bundles
    reports."""
    chance = np.random.default_rng(seed)
    cells = chance.integers(low, high, (size[0] // 8, size[1] // 8), dtype=np.uint8)
    return np.ascontiguousarray(cells.repeat(8, axis=0).repeat(8, axis=1))


def blurred(pixels: Pixels, sigma_px: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma_px), np.uint8)


def lit(pixels: Pixels, factor: float) -> Pixels:
    """The same under more or less light, cut off at white."""
    return np.clip(pixels * factor, 0, 255).astype(np.uint8)
