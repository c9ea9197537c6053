"""How sharp a picture is and how it is exposed, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_BLACK, _WHITE = (
    1,
    254,
)  # at or beyond them a pixel has no detail; 0 and 255 alone miss JPEG's noise


@dataclass(frozen=True, slots=True)
class PictureFigures:
    """One picture.

    sharpness: Tenengrad, the mean of the squared Sobel gradient (Tenenbaum 1970; Pertuz et al.,
    Pattern Recognition 46:1415, 2013, GRA7), laplacian: variance of the Laplacian (Pech-Pacheco et
    al., ICPR 2000; LAP4 there); both over the squared mean grey, so that light and gain cancel out,
    times 1,000. Noise raises both, the Laplacian more. mean, spread: grey levels and their standard
    deviation; low, high: 1st and 99th percentile. black, white: shares of pixels at or below 1, and
    with any channel at or above 254.
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
    """pixels: uint8, H×W or H×W×3 (BGR). Some 10 ms per megapixel; any thread."""
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


def middle(pictures: Sequence[PictureFigures]) -> PictureFigures:
    """The median of each figure; at least one picture."""
    names = PictureFigures.__slots__
    return PictureFigures(*(median(getattr(one, name) for one in pictures) for name in names))


def flicker(means: Sequence[float]) -> float:
    """How much the brightness of pictures of one thing varies: standard deviation over mean."""
    values = np.asarray(means, np.float64)
    return float(values.std() / max(values.mean(), 1.0)) if len(values) > 1 else 0.0


def mains(exposed_ns: Sequence[int], means: Sequence[float], hertz: float) -> float:
    """The amplitude of light that pulses at this frequency, as a share of the mean brightness.

    A sine of the frequency fitted to the means at their moments of exposure (least squares). Needs
    8 pictures at uneven times, else 0: a camera at 25 or 50 frames a second meets light of 100 Hz
    always at the same phase and cannot see it.
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
