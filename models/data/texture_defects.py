"""Generated defects: each kind changes a sound surface and gives the changed pixels.

A kind is a function (rng, surface, strength) -> TextureDefect. `strength` is 0 to 1: from the limit
of what an inspector sees to obvious at arm's length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from models.data.texture_surfaces import Field, smooth, streaks

_SUBPIXEL_BITS = 4
_FOOT = 0.35  # height of a blotch below which it changes nothing


@dataclass(frozen=True, slots=True)
class TextureDefect:
    """A surface with a generated defect.

    surface: float32 H×W, in grey levels. extent: bool H×W, for a defect that replaces the texture,
    in which single pixels may have their former value; None if the changed pixels are the extent.
    """

    surface: Field
    extent: npt.NDArray[np.bool_] | None = None


Painter: TypeAlias = Callable[[np.random.Generator, Field, float], TextureDefect]


def _crack(rng: np.random.Generator, surface: Field, strength: float) -> TextureDefect:
    """A winding dark line, 25 to 90 px long and 2 to 3 px wide, sometimes with branches."""
    stroke = np.zeros(surface.shape, np.uint8)
    heading = rng.uniform(0.0, 2.0 * math.pi)
    length_px = _size_px(rng, surface, 25.0, 90.0)
    start = _place(rng, surface, length_px / 2) - _direction(heading) * length_px / 2
    trunk = _walk(rng, start, heading, length_px)
    _draw(stroke, trunk, int(rng.integers(2, 4)))
    for _ in range(int(rng.integers(0, 3))):
        at = int(rng.integers(len(trunk) // 4, max(len(trunk) // 4 + 1, len(trunk) * 3 // 4)))
        side = heading + rng.choice((-1.0, 1.0)) * rng.uniform(0.5, 1.1)
        _draw(stroke, _walk(rng, trunk[at], side, length_px * rng.uniform(0.2, 0.45)), 2)
    ragged = 1.0 + 0.2 * smooth(rng, *_shape(surface), 3.0)
    depth = _amplitude(surface, strength, 20.0, 85.0)
    return TextureDefect(
        surface - _soft(stroke, 0.6) * np.clip(ragged, 0.5, 1.4) * np.float32(depth)
    )


def _scratch(rng: np.random.Generator, surface: Field, strength: float) -> TextureDefect:
    """A thin line with a slight bend, bright or dark, 14 to 90 px long, fading at its ends."""
    stroke = np.zeros(surface.shape, np.uint8)
    angle = rng.uniform(0.0, math.pi)
    length_px = _size_px(rng, surface, 14.0, 90.0)
    middle = _place(rng, surface, length_px / 2)
    half = _direction(angle) * length_px / 2
    bend = _direction(angle + math.pi / 2) * length_px * rng.uniform(-0.12, 0.12)
    t = np.linspace(-1.0, 1.0, 24)[:, None]
    line = middle + t * half + (1.0 - t * t) * bend
    weights = np.clip(1.25 - np.abs(t[:, 0]) ** 3, 0.0, 1.0)
    width = 1 if rng.random() < 0.6 else 2
    for first, second, weight in zip(line[:-1], line[1:], weights[:-1], strict=True):
        _draw(stroke, np.stack((first, second)), width, round(255 * weight))
    sign = 1.0 if rng.random() < 0.65 else -1.0
    depth = _amplitude(surface, strength, 24.0, 90.0) * sign
    return TextureDefect(surface + _soft(stroke, 0.5) * np.float32(depth))


def _scuff(rng: np.random.Generator, surface: Field, strength: float) -> TextureDefect:
    """A rubbed patch, 18 to 80 px: streaks in another direction replace the texture."""
    extent = _blotch(rng, surface, _size_px(rng, surface, 18.0, 80.0) / 2)
    angle_deg = float(rng.choice((-1.0, 1.0)) * rng.uniform(30.0, 75.0))
    rubbed = streaks(rng, *_shape(surface), 15, angle_deg)
    mean, deviation = float(surface.mean()), float(surface.std())
    rubbed *= np.float32(deviation * (0.9 + 0.6 * strength))
    rubbed += np.float32(mean + float(rng.choice((-1.0, 1.0))) * (4.0 + 14.0 * strength))
    share = np.clip((extent - 0.35) / 0.3, 0.0, 1.0) * (0.65 + 0.35 * strength)
    return TextureDefect(surface + np.asarray(share, np.float32) * (rubbed - surface), extent > 0.5)


def _spot(rng: np.random.Generator, surface: Field, strength: float) -> TextureDefect:
    """A pit or an inclusion, 4 to 22 px across, dark or bright, with a sharp edge."""
    radius_px = _size_px(rng, surface, 4.0, 22.0) / 2
    x, y = _offsets(surface, _place(rng, surface, radius_px))
    angle, flat = rng.uniform(0.0, math.pi), rng.uniform(0.65, 1.0)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = (y * math.cos(angle) - x * math.sin(angle)) / flat
    distance = np.sqrt(along * along + across * across)
    distance += smooth(rng, *_shape(surface), max(3.0, radius_px)) * np.float32(0.1 * radius_px)
    body = 1.0 / (1.0 + np.exp(np.clip((distance - radius_px) * 2.2, -30.0, 30.0)))
    # Light from one side: the far wall of the pit is brighter, as in a blow-hole.
    shade = 1.0 - 0.3 * np.clip((x + y) / (2.0 * radius_px), -1.0, 1.0)
    sign = -1.0 if rng.random() < 0.7 else 1.0
    depth = _amplitude(surface, strength, 22.0, 95.0) * sign
    return TextureDefect(np.asarray(surface + body * shade * depth, np.float32))


def _stain(rng: np.random.Generator, surface: Field, strength: float) -> TextureDefect:
    """A blotch of low contrast, 20 to 84 px across, a little darker along its rim."""
    extent = _blotch(rng, surface, _size_px(rng, surface, 20.0, 84.0) / 2)
    body = np.clip((extent - 0.4) / 0.25, 0.0, 1.0)
    rim = np.clip(1.0 - np.abs(extent - 0.55) / 0.12, 0.0, 1.0)
    sign = -1.0 if rng.random() < 0.75 else 1.0
    depth = _amplitude(surface, strength, 11.0, 36.0) * sign
    return TextureDefect(np.asarray(surface + (body * 0.8 + rim * 0.35) * depth, np.float32))


def _amplitude(surface: Field, strength: float, least: float, most: float) -> float:
    """Return the change in grey levels, which is larger on a texture with a large deviation."""
    return float(least * (most / least) ** strength * (0.8 + float(surface.std()) / 50.0))


def _size_px(rng: np.random.Generator, surface: Field, least: float, most: float) -> float:
    """Return a log-uniform size, at most 60 % of the frame's side. Small defects are the most
    frequent."""
    drawn = least * (most / least) ** rng.random()
    return float(min(drawn, 0.6 * min(surface.shape)))


def _shape(surface: Field) -> tuple[int, int]:
    height, width = surface.shape
    return height, width


def _place(rng: np.random.Generator, surface: Field, radius_px: float) -> npt.NDArray[np.float64]:
    """Return the centre (x, y) of a defect that lies inside the frame."""
    height, width = surface.shape
    margin = radius_px + 3.0
    x = rng.uniform(min(margin, width / 2), max(width - margin, width / 2))
    y = rng.uniform(min(margin, height / 2), max(height - margin, height / 2))
    return np.array([x, y])


def _offsets(surface: Field, centre: npt.NDArray[np.float64]) -> tuple[Field, Field]:
    height, width = surface.shape
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32(centre[0])
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(centre[1])
    return x, y


def _blotch(rng: np.random.Generator, surface: Field, radius_px: float) -> Field:
    """A ragged hill, float32 H×W: 1 at its heart, 0.5 at about radius_px, 0 far away."""
    x, y = _offsets(surface, _place(rng, surface, radius_px))
    flat = rng.uniform(0.7, 1.0)
    angle = rng.uniform(0.0, math.pi)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = (y * math.cos(angle) - x * math.sin(angle)) / flat
    ragged = smooth(rng, *_shape(surface), max(6.0, radius_px * 0.6)) * np.float32(0.3)
    square = (along * along + across * across) / np.float32(radius_px * radius_px)
    hill = np.exp(-0.7 * square * (1.0 + np.clip(ragged, -0.5, 0.5)))
    _, parts, stats, _ = cv2.connectedComponentsWithStats((hill > _FOOT).astype(np.uint8))
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if len(stats) > 1 else 0
    # A blotch is one piece: islands off its coast would each count as a defect.
    return np.asarray(np.where(parts == largest, hill, np.minimum(hill, _FOOT)), np.float32)


def _walk(
    rng: np.random.Generator, start: npt.NDArray[np.float64], heading: float, length_px: float
) -> npt.NDArray[np.float64]:
    """Points of a random walk in steps of 4 px that keeps roughly to its heading."""
    steps = max(3, round(length_px / 4.0))
    headings = heading + np.cumsum(rng.normal(0.0, 0.28, steps)) * 0.8 + rng.normal(0.0, 0.3, steps)
    moves = np.stack((np.cos(headings), np.sin(headings)), axis=1) * 4.0
    return np.concatenate((start[None, :], start + np.cumsum(moves, axis=0)))


def _direction(angle: float) -> npt.NDArray[np.float64]:
    return np.array([math.cos(angle), math.sin(angle)])


def _draw(
    stroke: npt.NDArray[np.uint8],
    points: npt.NDArray[np.float64],
    width_px: int,
    value: int = 255,
) -> None:
    fixed = np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.polylines(stroke, [fixed], False, (float(value),), width_px, cv2.LINE_AA, _SUBPIXEL_BITS)


def _soft(stroke: npt.NDArray[np.uint8], sigma_px: float) -> Field:
    """The stroke as the lens shows it, 0 to 1."""
    blurred = cv2.GaussianBlur(stroke.astype(np.float32), (0, 0), sigma_px)
    return np.asarray(blurred / np.float32(255.0), np.float32)


TEXTURE_DEFECTS: Mapping[str, Painter] = {
    "crack": _crack,
    "scratch": _scratch,
    "scuff": _scuff,
    "spot": _spot,
    "stain": _stain,
}
