"""Generated sound surfaces: grey textures in the manner of DAGM 2007, which is generated itself.

Every texture is a function (rng, height, width) -> float32 H×W in grey levels, before light and
sensor. Its parameters vary a little from part to part, as those of a real product do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Field: TypeAlias = npt.NDArray[np.float32]
Texture: TypeAlias = Callable[[np.random.Generator, int, int], Field]


def white(rng: np.random.Generator, height: int, width: int) -> Field:
    """Return normal noise of deviation 1, float32 H×W."""
    return rng.standard_normal((height, width), dtype=np.float32)


def smooth(rng: np.random.Generator, height: int, width: int, scale_px: float) -> Field:
    """Return noise of deviation about 1 with features of scale_px, float32 H×W."""
    rows, cols = (max(4, math.ceil(side / scale_px) + 3) for side in (height, width))
    # Start one node inside, away from the border.
    zoom = np.array([[scale_px, 0.0, -scale_px], [0.0, scale_px, -scale_px]])
    noise = cv2.warpAffine(
        white(rng, rows, cols),
        zoom,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(noise * np.float32(1.35), np.float32)  # cubic interpolation costs a quarter


def streaks(
    rng: np.random.Generator, height: int, width: int, length_px: int, angle_deg: float
) -> Field:
    """Return noise of deviation 1, stretched along angle_deg about the centre, float32 H×W."""
    side = math.ceil(math.hypot(height, width)) if angle_deg % 180 else max(height, width)
    noise = white(rng, side, side)
    noise = np.asarray(cv2.blur(noise, (length_px, 1)), np.float32)
    noise = np.asarray(cv2.blur(noise, (max(1, length_px // 2), 1)), np.float32)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle_deg, 1.0)
    turn[0, 2] += (width - side) / 2
    turn[1, 2] += (height - side) / 2
    turned = cv2.warpAffine(noise, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned / (float(turned.std()) + 1e-6), np.float32)


def _grain(rng: np.random.Generator, height: int, width: int) -> Field:
    """Cast or sand-blasted metal: noise filtered at two scales."""
    fine = cv2.GaussianBlur(white(rng, height, width), (0, 0), rng.uniform(0.9, 1.3))
    coarse = smooth(rng, height, width, rng.uniform(5.0, 8.0))
    mixed = fine * np.float32(3.2) + coarse * np.float32(0.5)
    return _levels(mixed, rng.uniform(115.0, 145.0), rng.uniform(7.0, 11.0))


def _brushed(rng: np.random.Generator, height: int, width: int) -> Field:
    """Brushed metal: streaks along one direction."""
    angle_deg = rng.uniform(-4.0, 4.0)
    long = streaks(rng, height, width, 91, angle_deg)
    short = streaks(rng, height, width, 25, angle_deg)
    mixed = long + short * np.float32(0.6)
    return _levels(mixed, rng.uniform(130.0, 160.0), rng.uniform(8.0, 12.0))


def _woven(rng: np.random.Generator, height: int, width: int) -> Field:
    """Plain weave: threads that pass over and under each other, none of them straight."""
    pitch_px = np.float32(rng.uniform(7.0, 9.0))
    x = np.arange(width, dtype=np.float32)[None, :] / pitch_px + np.float32(rng.random())
    y = np.arange(height, dtype=np.float32)[:, None] / pitch_px + np.float32(rng.random())
    x = x + smooth(rng, height, width, 48.0) * np.float32(0.08)
    y = y + smooth(rng, height, width, 48.0) * np.float32(0.08)
    thread_x, thread_y = np.floor(x), np.floor(y)
    across_x, across_y = x - thread_x - np.float32(0.5), y - thread_y - np.float32(0.5)
    over = (thread_x + thread_y) % 2 < 1
    # The thread on top is round across itself and sinks towards where it dives under.
    across = np.where(over, across_x, across_y)
    along = np.where(over, across_y, across_x)
    height_map = 1.0 - 2.6 * across * across - 1.1 * along * along
    tint = np.where(over, np.float32(0.0), np.float32(-0.12))
    fibre = white(rng, height, width) * np.float32(0.07)
    mixed = np.asarray(height_map + tint + fibre, np.float32)
    mixed = np.asarray(cv2.GaussianBlur(mixed, (0, 0), 0.7), np.float32)
    return _levels(mixed, rng.uniform(110.0, 140.0), rng.uniform(13.0, 18.0))


def _leather(rng: np.random.Generator, height: int, width: int) -> Field:
    """Leather: rounded cells with dark creases between them."""
    cell_px = int(rng.integers(9, 13))
    rows, cols = height // cell_px + 2, width // cell_px + 2
    jitter = rng.uniform(0.0, cell_px, (2, rows, cols))
    y = (np.arange(rows)[:, None] * cell_px + jitter[0]).astype(np.intp)
    x = (np.arange(cols)[None, :] * cell_px + jitter[1]).astype(np.intp)
    seeds = np.full((rows * cell_px, cols * cell_px), 255, np.uint8)
    seeds[y, x] = 0
    _, cells = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5)
    crease = np.ones(cells.shape, np.uint8)
    crease[:, 1:] &= cells[:, 1:] == cells[:, :-1]
    crease[1:] &= cells[1:] == cells[:-1]
    depth = cv2.distanceTransform(crease, cv2.DIST_L2, 3)
    depth = depth[cell_px : cell_px + height, cell_px : cell_px + width]
    dome = np.sqrt(np.minimum(depth, np.float32(cell_px * 0.4)))
    own = (cells[cell_px : cell_px + height, cell_px : cell_px + width] * 7919 % 97) / 97.0
    mixed = dome + own * 0.25 + white(rng, height, width) * 0.08
    mixed = cv2.GaussianBlur(np.asarray(mixed, np.float32), (0, 0), 0.9)
    return _levels(np.asarray(mixed), rng.uniform(100.0, 130.0), rng.uniform(10.0, 14.0))


def _turned(rng: np.random.Generator, height: int, width: int) -> Field:
    """A turned face: tool marks at a steady feed, each a little different, and fine grain."""
    feed_px = np.float32(rng.uniform(6.0, 9.0))
    bend = smooth(rng, height, width, 160.0) * np.float32(0.25)
    slope = np.float32(rng.uniform(-0.15, 0.15))
    x = np.arange(width, dtype=np.float32)[None, :] + slope * np.arange(height)[:, None]
    phase = np.asarray(x / feed_px, np.float32) + bend
    mark = np.floor(phase).astype(np.int32)
    strength = rng.uniform(0.6, 1.2, 257).astype(np.float32)[mark % 257]
    saw = (phase - np.floor(phase)) * strength
    grain = cv2.GaussianBlur(white(rng, height, width), (0, 0), 0.8)
    mixed = np.asarray(saw + grain * 0.35, np.float32)
    return _levels(mixed, rng.uniform(125.0, 155.0), rng.uniform(9.0, 13.0))


def _speckled(rng: np.random.Generator, height: int, width: int) -> Field:
    """Filled plastic or terrazzo: a calm ground with dark and bright specks."""
    specks = cv2.GaussianBlur(white(rng, height, width), (0, 0), rng.uniform(1.2, 1.6))
    specks = np.asarray(specks / (float(specks.std()) + 1e-6), np.float32)
    dark = np.clip(specks - np.float32(1.3), 0.0, 0.7)
    bright = np.clip(-specks - np.float32(1.5), 0.0, 0.5)
    ground = smooth(rng, height, width, 24.0) * np.float32(0.06)
    mixed = np.asarray(ground + bright * 0.8 - dark, np.float32)
    return _levels(mixed, rng.uniform(120.0, 165.0), rng.uniform(9.0, 13.0))


def _levels(values: Field, mean: float, deviation: float) -> Field:
    """Return `values` scaled to a mean and deviation in grey levels."""
    scale = deviation / (float(values.std()) + 1e-6)
    return np.asarray((values - values.mean()) * np.float32(scale) + np.float32(mean), np.float32)


SURFACES: Mapping[str, Texture] = {
    "brushed": _brushed,
    "grain": _grain,
    "leather": _leather,
    "speckled": _speckled,
    "turned": _turned,
    "woven": _woven,
}
