"""Corruption of good pictures, which a denoising autoencoder learns to remove.

With noise alone it would learn to smooth. Spots, lines, patches of other places and coarse noise of
many sizes and contrasts resemble defects. Sources: Kascenas et al. 2022 (Denoising Autoencoders for
Unsupervised Anomaly Detection in Brain MRI, MIDL), for the coarse noise, and Li et al. 2021
(CutPaste, CVPR). No shape comes from the generator of textures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.data.dataset import Pixels

Plane = npt.NDArray[np.float32]

CONTRAST_GREY = (6.0, 90.0)  # from hardly visible to obvious, uniform in the logarithm
CLOUD_SHARE = 0.5  # share of the corrupted patches with coarse noise
MARKS = 4  # most marks in a patch
PATCH_SHARE = 0.4  # share of the marks that are a patch of another place


@dataclass(frozen=True, slots=True)
class Corruption:
    """The amount of corruption.

    defect_share: share of the patches with marks or coarse noise. noise_sigma: all patches have
    normal noise with a sigma between 0 and this, in grey levels.
    """

    defect_share: float = 0.0
    noise_sigma: float = 0.0


def corrupt(pixels: Pixels, options: Corruption, rng: np.random.Generator) -> Pixels:
    """Return a corrupted copy: uint8 H×W or H×W×3, sides of 32 px or more."""
    values = np.asarray(pixels if pixels.ndim == 3 else pixels[:, :, None], np.float32)
    if rng.random() < options.defect_share:
        if rng.random() < CLOUD_SHARE:
            values = values + _cloud(values.shape, rng)
        for _ in range(int(rng.integers(1, MARKS + 1))):
            share = _shape(values.shape, rng)[:, :, None]
            if rng.random() < PATCH_SHARE:
                values = values + share * (_elsewhere(values, rng) - values)
            else:
                values = values + share * _colour(values.shape, rng)
    if options.noise_sigma > 0.0:
        noise = rng.standard_normal(values.shape, dtype=np.float32)
        values = values + noise * np.float32(rng.uniform(0.0, options.noise_sigma))
    return np.asarray(np.clip(values + 0.5, 0, 255), np.uint8).reshape(pixels.shape)


def _contrast(rng: np.random.Generator) -> float:
    low, high = CONTRAST_GREY
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _colour(shape: tuple[int, ...], rng: np.random.Generator) -> Plane:
    """Return a change in grey levels, different for each channel of a colour picture."""
    sign = 1.0 if rng.random() < 0.5 else -1.0
    parts = rng.uniform(0.3, 1.0, shape[2]) if shape[2] > 1 else np.ones(1)
    return np.asarray(sign * _contrast(rng) * parts, np.float32)


def _cloud(shape: tuple[int, ...], rng: np.random.Generator) -> Plane:
    """Return noise with grains of 2 to 32 px in some places: H×W×C, grey levels."""
    grain, gate = (_field(shape, px, rng) for px in (2 ** rng.uniform(1.0, 5.0), 32.0))
    return grain[:, :, None] * (gate > 0.3)[:, :, None] * _colour(shape, rng)


def _field(shape: tuple[int, ...], grain_px: float, rng: np.random.Generator) -> Plane:
    size = tuple(max(2, round(side / grain_px)) for side in shape[:2])
    coarse = rng.standard_normal(size, dtype=np.float32)
    field = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field, np.float32)


def _shape(shape: tuple[int, ...], rng: np.random.Generator) -> Plane:
    """Return an ellipse, or a line of 1 to 4 px, with a soft edge: H×W, 0 to 1."""
    height, width = shape[:2]
    mark = np.zeros((height, width), np.float32)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    angle_deg = float(rng.uniform(0.0, 360.0))
    if rng.random() < 0.5:
        axes = tuple(int(2 ** rng.uniform(1.0, 4.5)) for _ in range(2))
        cv2.ellipse(mark, (x, y), axes, angle_deg, 0, 360, 1.0, -1)
    else:
        length = rng.uniform(8.0, 60.0)
        turn = math.radians(angle_deg)
        end = (int(x + length * math.cos(turn)), int(y + length * math.sin(turn)))
        cv2.line(mark, (x, y), end, 1.0, int(rng.integers(1, 5)))
    return np.asarray(cv2.GaussianBlur(mark, (0, 0), float(rng.uniform(0.3, 2.0))), np.float32)


def _elsewhere(values: Plane, rng: np.random.Generator) -> Plane:
    """Return the patch moved by 8 px or more in both directions, mirrored in half of the cases."""
    height, width = values.shape[:2]
    down, right = (int(rng.integers(8, side - 7)) for side in (height, width))
    moved = np.roll(values, (down, right), (0, 1))
    return moved[:, ::-1] if rng.random() < 0.5 else moved
