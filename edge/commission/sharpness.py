"""Measures of the sharpness, exposure and flicker of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

# At or beyond these levels a pixel shows no detail. 0 and 255 would miss pixels with JPEG noise.
_BLACK, _WHITE = 1, 254


@dataclass(frozen=True, slots=True)
class PictureFigures:
    """The measures of one picture.

    sharpness: Tenengrad, the mean of the squared Sobel gradient (Tenenbaum 1970; Pertuz et al.,
    Pattern Recognition 46:1415, 2013).
    laplacian: variance of the Laplacian (Pech-Pacheco et al., ICPR 2000; LAP4 in Pertuz et al.).
    Both are divided by the squared mean grey, so that light and gain cancel out, and multiplied by
    1,000. Noise raises both, the Laplacian more.
    mean, spread: mean and standard deviation of the grey levels, 0 to 255.
    low, high: 1st and 99th percentile of the grey levels.
    black: share of pixels with all channels at or below 1. white: share of pixels with any channel
    at or above 254.
    """

    sharpness: float
    laplacian: float
    mean: float
    spread: float
    low: float
    high: float
    black: float
    white: float


def measure_picture(pixels: Pixels) -> PictureFigures:
    """Measure a picture: uint8, H×W or H×W×3 (BGR). About 10 ms per megapixel; any thread."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if pixels.ndim == 3 else pixels
    brightest = pixels.max(axis=2) if pixels.ndim == 3 else pixels
    level = max(1.0, float(grey.mean())) ** 2 / 1000
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    low, high = (float(value) for value in np.percentile(grey, (1, 99)))
    return PictureFigures(
        sharpness=float((across * across + down * down).mean()) / level,
        laplacian=float(cv2.Laplacian(grey, cv2.CV_32F).var()) / level,
        mean=float(grey.mean()),
        spread=float(grey.std()),
        low=low,
        high=high,
        black=float((brightest <= _BLACK).mean()),
        white=float((brightest >= _WHITE).mean()),
    )


def median_figures(pictures: Sequence[PictureFigures]) -> PictureFigures:
    """Return the median of each measure over at least one picture."""
    names = PictureFigures.__slots__
    return PictureFigures(*(median(getattr(one, name) for one in pictures) for name in names))


def flicker(means: Sequence[float]) -> float:
    """Return the standard deviation over the mean of the brightness of pictures of one object."""
    values = np.asarray(means, np.float64)
    return float(values.std() / max(values.mean(), 1.0)) if len(values) > 1 else 0.0


def mains_amplitude(exposed_ns: Sequence[int], means: Sequence[float], hertz: float) -> float:
    """Return the amplitude of light that pulses at this frequency, as a share of the mean.

    A sine of the frequency is fitted to the means at their times of exposure (least squares).
    exposed_ns, means: one value for each picture. Return 0 for fewer than 8 pictures, or where
    their times do not determine the sine. For instance, a camera at 25 or 50 frames per second
    always meets light of 100 Hz at the same phase.
    """
    if len(means) < 8:
        return 0.0
    turns = (np.asarray(exposed_ns, np.float64) - exposed_ns[0]) * (hertz / 1e9) % 1.0
    angle = 2 * np.pi * turns
    columns = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    values = np.asarray(means, np.float64)
    (level, cosine, sine), _, rank, _ = np.linalg.lstsq(columns, values, rcond=0.05)
    if rank < 3:
        return 0.0
    return float(np.hypot(cosine, sine) / max(abs(level), 1.0))
