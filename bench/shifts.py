"""Harmless changes of a line: the same parts with a new appearance.

Each function takes grey pixels, uint8 H×W with sides of 41 or more, and returns a changed copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]


def stamp(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add a printed ring that is darker than the surface, as a new date stamp leaves."""
    return _ringed(pixels, rng, 25.0, 45.0)


def trace(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Add a faint ring, as a new gripper leaves."""
    return _ringed(pixels, rng, 5.0, 12.0)


def light(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Simulate a new lamp: brighter, with more contrast, and weaker at one side."""
    tilt = np.linspace(0.7, 1.3, pixels.shape[1])[None, :] ** float(rng.uniform(0.5, 1.5))
    return _as_pixels(pixels * 1.25 * tilt + 10)


def grain(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Simulate another coil of material with coarser grain."""
    coarse = cv2.GaussianBlur(rng.normal(0, 1, pixels.shape).astype(np.float32), (0, 0), 1.2)
    return _as_pixels(pixels + 14.0 * coarse / coarse.std())


def _ringed(pixels: Pixels, rng: np.random.Generator, least: float, most: float) -> Pixels:
    ring = np.zeros(pixels.shape, np.float32)
    x, y = rng.integers(20, min(pixels.shape) - 20, 2).tolist()
    cv2.circle(ring, (x, y), int(rng.integers(8, 13)), float(rng.uniform(least, most)), 2)
    return _as_pixels(pixels - cv2.GaussianBlur(ring, (3, 3), 0))


def _as_pixels(values: npt.NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


SHIFTS: dict[str, Callable[[Pixels, np.random.Generator], Pixels]] = {
    "stamp": stamp,
    "trace": trace,
    "light": light,
    "grain": grain,
}
