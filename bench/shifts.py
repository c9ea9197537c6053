"""Generated parts, and harmless changes of their appearance.

Each change takes grey pixels, uint8 H×W with sides of 41 or more, and returns a changed copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from models.data.textures import TextureSpecimen, specimen

Pixels: TypeAlias = npt.NDArray[np.uint8]

SIDE_PX, TEXTURE = 128, "brushed"
CLEAR_GREY = 25.0


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


@dataclass(frozen=True, slots=True)
class FeedbackPart:
    """A part and its true state."""

    pixels: Pixels
    bad: bool


def specimens(
    series: int, count: int, defective: float, *, clear: bool = False
) -> Iterator[TextureSpecimen]:
    """Yield generated parts. clear: without those whose defect is hardly visible."""
    index = 0
    while count:
        made = specimen(
            100 + series, index, (SIDE_PX, SIDE_PX), defective=defective, texture=TEXTURE
        )
        index += 1
        if made.kind is None or not clear or _contrast(made) >= CLEAR_GREY:
            count -= 1
            yield made


def _contrast(made: TextureSpecimen) -> float:
    """Return the least grey level difference of the clearest tenth of the defect."""
    off = np.abs(made.image.astype(np.float32) - cv2.medianBlur(made.image, 31))
    return float(np.percentile(cv2.blur(off, (3, 3))[made.kind_map > 0], 90))


def parts(
    series: int, count: int, defective: float, shift: str | None = None, *, clear: bool = False
) -> list[FeedbackPart]:
    """Return the parts of a series, with or without a shift."""
    parts = []
    for number, made in enumerate(specimens(series, count, defective, clear=clear)):
        pixels = made.image
        if shift is not None:
            pixels = SHIFTS[shift](pixels, np.random.default_rng([series, number]))
        parts.append(FeedbackPart(pixels, made.kind is not None))
    return parts
