"""Step 1 without a network: smoothing, distance from the background, morphology.

This is the classical pipeline for plain fabric: smoothing, non-local means, Otsu's threshold,
erosion and dilation, contours. The result is a severity instead of a binary picture. Opening and
closing act on the distance from the background, which is equivalent to the binary operations at
every threshold at once (Serra 1982). Contours are the components of step 3.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.chain.detect import MIN_SIDE_PX, as_channels
from edge.chain.noise import noise_factor, noise_level
from edge.chain.threshold.file import ThresholdFile, parse_threshold
from edge.errors import BundleError, FrameError
from edge.records import SeverityMap

TOP = 12.0
STEP = TOP / 255.0  # severity of one step of the map
USUAL_GREY = 128.0  # grey level of the background to which relative distances are scaled
DARKEST_GREY = 16.0  # a darker background would turn camera noise into large distances
# The median over a large window uses a picture reduced by this factor. That is accurate enough,
# because defects are small against the window, and the light varies slowly.
COARSE = 4

Plane = NDArray[np.float32]


class ThresholdDetector:
    """A Detector that rates each pixel by its distance from the background.

    It accepts frames of any size from MIN_SIDE_PX and reuses its buffers while the size stays the
    same. One thread at a time may use it.
    """

    def __init__(self, file: ThresholdFile, channels: int) -> None:
        self.file = file
        self._channels = channels
        self._opener = np.ones((file.open_px, file.open_px), np.uint8)
        self._closer = np.ones((file.close_px, file.close_px), np.uint8)
        self._resize(MIN_SIDE_PX, MIN_SIDE_PX)

    def detect(self, pixels: NDArray[np.uint8]) -> SeverityMap:
        """Return the severity map, uint8 in steps of STEP. Raises FrameError for a small frame."""
        scores = self.scores(pixels)
        cv2.convertScaleAbs(scores, dst=self._map, alpha=1.0 / (self.file.unit * STEP))
        return SeverityMap(self._map, STEP, 0, 1)

    def scores(self, pixels: NDArray[np.uint8]) -> Plane:
        """Return the distance of each pixel from the background in grey levels, float32 H×W.

        The plane is valid until the next call. Raises FrameError as ``detect`` does.
        """
        grey = self._grey(as_channels(pixels, self._channels))
        height, width = grey.shape
        if min(height, width) < MIN_SIDE_PX:
            raise FrameError(f"{width}×{height} px; expected at least {MIN_SIDE_PX}×{MIN_SIDE_PX}")
        if grey.shape != self._map.shape:
            self._resize(height, width)
        smooth = self._denoised(grey)
        if self.file.level == "local":
            self._local(smooth)
        else:
            self._otsu(smooth)
        if self.file.open_px > 1:
            cv2.morphologyEx(self._score, cv2.MORPH_OPEN, self._opener, dst=self._score)
        if self.file.close_px > 1:
            cv2.morphologyEx(self._score, cv2.MORPH_CLOSE, self._closer, dst=self._score)
        noisier = noise_factor(self.noise_level(grey), self.file.noise, self.file.noise_limit)
        if noisier > 1.0:
            self._score *= np.float32(1.0 / noisier)
        return self._score

    def noise_level(self, grey: NDArray[np.uint8]) -> float:
        """Return the noise level of a grey frame, relative where distances are relative."""
        level = noise_level(grey)
        if self.file.relative:
            level *= USUAL_GREY / max(float(cv2.mean(grey)[0]), DARKEST_GREY)
        return level

    def _resize(self, height: int, width: int) -> None:
        self._smooth, self._map = (np.empty((height, width), np.uint8) for _ in range(2))
        self._score, self._behind = (np.empty((height, width), np.float32) for _ in range(2))

    def _grey(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if pixels.ndim == 3 and self.file.channel == "value":
            return np.asarray(pixels.max(2), np.uint8)
        return as_channels(pixels, 1)

    def _denoised(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file, side = self.file, self.file.denoise_px
        if file.denoise == "gaussian":
            cv2.GaussianBlur(grey, (side, side), 0, dst=self._smooth)
        elif file.denoise == "median":
            cv2.medianBlur(grey, side, dst=self._smooth)
        elif file.denoise == "nlmeans":
            cv2.fastNlMeansDenoising(grey, self._smooth, file.nlmeans_strength, 7, 21)
        else:
            return grey
        return self._smooth

    def _local(self, smooth: NDArray[np.uint8]) -> None:
        """Write into _score the distance of each pixel from its surroundings."""
        height, width = smooth.shape
        side = min(self.file.window_px, (min(height, width) - 1) | 1)
        if self.file.background == "mean":
            cv2.boxFilter(smooth, cv2.CV_32F, (side, side), dst=self._behind)
        else:
            size = -(-width // COARSE), -(-height // COARSE)
            small = np.asarray(cv2.resize(smooth, size, interpolation=cv2.INTER_AREA), np.uint8)
            middle = cv2.medianBlur(small, max(side // COARSE | 1, 3))
            cv2.resize(middle.astype(np.float32), (width, height), dst=self._behind)
        np.subtract(smooth, self._behind, out=self._score)
        self._keep_side()
        if self.file.relative:
            np.maximum(self._behind, np.float32(DARKEST_GREY), out=self._behind)
            self._score *= np.float32(USUAL_GREY)
            self._score /= self._behind

    def _otsu(self, smooth: NDArray[np.uint8]) -> None:
        """Write into _score the distance of the smaller class from the mean of the larger one.

        Otsu's threshold (1979) divides every frame into two classes. In a good frame both belong to
        the surface and lie near to one another, so the distances are small.
        """
        threshold, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        counts = np.bincount(smooth.ravel(), minlength=256).astype(np.float64)
        greys = np.arange(256)
        is_dark = greys <= threshold
        dark_is_larger = counts[is_dark].sum() >= counts[~is_dark].sum()
        larger = is_dark if dark_is_larger else ~is_dark
        mean = float((counts * greys)[larger].sum() / counts[larger].sum())
        distance = np.where(larger, 0.0, greys - mean)
        if self.file.relative:
            distance *= USUAL_GREY / max(mean, DARKEST_GREY)
        cv2.LUT(smooth, distance.astype(np.float32), dst=self._score)
        self._keep_side()

    def _keep_side(self) -> None:
        score = self._score
        if self.file.polarity == "both":
            np.abs(score, out=score)
        elif self.file.polarity == "dark":
            np.negative(score, out=score)
        if self.file.polarity != "both":
            np.maximum(score, np.float32(0.0), out=score)


def read_threshold(data: bytes, manifest: DetectorManifest) -> ThresholdDetector:
    """Return the detector in a file of the kind "threshold". Raises BundleError."""
    if manifest.stride_px != 1:
        raise BundleError(f"detector.stride_px is {manifest.stride_px}; a threshold file has 1")
    return ThresholdDetector(parse_threshold(data), manifest.channels)
