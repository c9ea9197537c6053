"""Simulated engines in a few lines of numpy, with manifests and records for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.bundle import DetectorManifest
from edge.chain.detect import RegressionDetector
from edge.engines.engine import Engine
from edge.records import Box, Region

Pixels = NDArray[np.uint8]
SCALE = 0.05


class CellEngine:
    """A detector: the mean of each stride×stride cell of a local operator of reach_px, uint8.

    The operator is a weighted sum of pixels up to reach_px away, zero beyond the picture, as the
    convolutions of a network are.
    """

    def __init__(
        self, height: int, width: int, channels: int = 1, *, stride: int = 2, reach_px: int = 0
    ) -> None:
        self.input = np.zeros((1, height, width, channels), np.uint8)
        self.output = np.zeros((1, 1, height // stride, width // stride), np.uint8)
        self.runs: list[Pixels] = []
        self._stride, self._reach = stride, reach_px

    def run(self, count: int | None = None) -> Pixels:
        self.runs.append(self.input[0].copy())
        self.output[0, 0] = local_cells(self.input[0], self._stride, self._reach)
        return self.output


def local_cells(pixels: Pixels, stride: int, reach_px: int) -> Pixels:
    """Return the output of CellEngine, in integers, so that equal surroundings give equal bytes."""
    grey = pixels.astype(np.int64).sum(2) if pixels.ndim == 3 else pixels.astype(np.int64)
    total = grey.copy()
    for dy, dx, weight in ((-1, 0, 3), (1, 0, 5), (0, -1, 7), (0, 1, 11), (1, -1, 13)):
        total += weight * _shifted(grey, dy * reach_px, dx * reach_px)
    height, width = grey.shape[0] // stride, grey.shape[1] // stride
    cells = total[: height * stride, : width * stride]
    return (cells.reshape(height, stride, width, stride).sum((1, 3)) % 251).astype(np.uint8)


def _shifted(values: NDArray[np.int64], dy: int, dx: int) -> NDArray[np.int64]:
    height, width = values.shape
    padded = np.pad(values, ((abs(dy), abs(dy)), (abs(dx), abs(dx))))
    return padded[abs(dy) + dy :, abs(dx) + dx :][:height, :width]


class VoteEngine:
    """A classifier whose logits are a function of one block."""

    def __init__(
        self,
        logits: Callable[[Pixels], list[float]],
        *,
        batch: int = 8,
        size: int = 64,
        channels: int = 1,
    ) -> None:
        self.input = np.zeros((batch, size, size, channels), np.uint8)
        self.counts: list[int] = []
        self._logits = logits

    def run(self, count: int | None = None) -> NDArray[np.float32]:
        self.counts.append(len(self.input) if count is None else count)
        return np.array([self._logits(block) for block in self.input[:count]], np.float32)


def detector_manifest(height: int, width: int, **changes: Any) -> DetectorManifest:
    content = {
        "network": "fake",
        "channels": 1,
        "height": height,
        "width": width,
        "overlap_px": 16,
        "multiple_px": 4,
        "stride_px": 2,
    }
    return DetectorManifest(**{**content, **changes})


def regression(
    engine: Engine, manifest: DetectorManifest, *, scale: float = SCALE, **options: Any
) -> RegressionDetector:
    """Return a detector on the engine, by default with the scale of the maps in these tests."""
    return RegressionDetector(engine, manifest, scale=scale, **options)


def region(
    left: int, top: int, right: int, bottom: int, *, peak: float = 6.0, area: int | None = None
) -> Region:
    box = Box(left, top, right, bottom)
    return Region(box, box.width * box.height if area is None else area, peak, peak / 2)


def reflected(pixels: Pixels, multiple: int) -> Pixels:
    """Return the picture extended to the next multiple by reflection, as the detector does."""
    height, width = pixels.shape[:2]
    down, right = -height % multiple, -width % multiple
    return np.asarray(cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_REFLECT_101))
