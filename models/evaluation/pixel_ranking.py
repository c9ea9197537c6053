"""Figures of severity maps without a threshold: pixel AUROC, AUPRO, pixel AP and the best F1.

Severities are counted in steps of TOP / BINS, so that a set of any size needs constant memory.
Values in one step are equal. The step is smaller than the rounding of an int8 network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import SeverityMap

TOP = 12.0  # the largest severity
BINS = 4096  # steps of 0.003
PRO_LIMIT = 0.3  # false positive rate up to which AUPRO is integrated (Bergmann et al. 2021)

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PixelRanking:
    """The figures over all pixels of a set; nan where there is nothing to compare.

    auroc: chance that a defect pixel has a higher severity than a sound one; equal ones count half.
    aupro: area under the mean overlap with annotated regions, over the false positive rate from 0
    to PRO_LIMIT, divided by PRO_LIMIT (Bergmann et al. 2021, Int. J. of Computer Vision 129:1038,
    section 5.2). ap: area under the steps of precision over recall. best_f1: the largest F1 of any
    threshold. regions: number of annotated regions, 8-connected.
    """

    auroc: float
    aupro: float
    ap: float
    best_f1: float
    regions: int


@dataclass(slots=True)
class PixelCounts:
    """Numbers of sound and defect pixels by severity, added picture by picture.

    overlap: sum over the annotated regions of the share of each region, by severity.
    """

    sound: Counts = field(default_factory=lambda: np.zeros(BINS))
    defect: Counts = field(default_factory=lambda: np.zeros(BINS))
    overlap: Counts = field(default_factory=lambda: np.zeros(BINS))
    regions: int = 0

    def add(self, severity: npt.NDArray[np.float32], annotated: npt.NDArray[np.bool_]) -> None:
        """Count one picture. severity: float32 H×W, 0 to TOP; other values count as the nearest.

        annotated: bool H×W. Raises ValueError for two shapes.
        """
        if severity.shape != annotated.shape:
            raise ValueError(f"severity is {severity.shape}, annotation {annotated.shape}")
        steps = np.clip(np.rint(severity * ((BINS - 1) / TOP)), 0, BINS - 1).astype(np.int64)
        self.sound += np.bincount(steps[~annotated], minlength=BINS)
        if not annotated.any():
            return
        count, labels = cv2.connectedComponents(annotated.view(np.uint8), connectivity=8)
        places = (labels[annotated].astype(np.int64) - 1) * BINS + steps[annotated]
        inside = np.bincount(places, minlength=(count - 1) * BINS).reshape(count - 1, BINS)
        self.defect += inside.sum(0)
        self.overlap += (inside / inside.sum(1, keepdims=True)).sum(0)
        self.regions += count - 1

    def ranking(self) -> PixelRanking:
        """Return the figures of everything that was counted."""
        sound, defect, overlap = (_from_top(c) for c in (self.sound, self.defect, self.overlap))
        if not defect[-1]:
            return PixelRanking(math.nan, math.nan, math.nan, math.nan, 0)
        recall = defect / defect[-1]
        precision = defect / np.maximum(defect + sound, 1)
        return PixelRanking(
            auroc=_area(sound / sound[-1], recall) if sound[-1] else math.nan,
            aupro=_area_to(sound / sound[-1], overlap / self.regions, PRO_LIMIT)
            if sound[-1]
            else math.nan,
            ap=float((np.diff(recall) * precision[1:]).sum()),
            best_f1=float((2 * defect / (defect + sound + defect[-1])).max()),
            regions=self.regions,
        )


def pixel_ranking(
    pictures: Iterable[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]],
) -> PixelRanking:
    """Return the figures of pictures, each a severity and an annotation as in PixelCounts.add."""
    counts = PixelCounts()
    for severity, annotated in pictures:
        counts.add(severity, annotated)
    return counts.ranking()


def pixel_severity(severity: SeverityMap, height: int, width: int) -> npt.NDArray[np.float32]:
    """Return the severity of every pixel, float32 H×W, interpolated as the step filter does."""
    cells = severity.values.astype(np.float32)
    cells -= np.float32(severity.zero_point)
    cells *= np.float32(severity.scale)
    stride = severity.stride_px
    size = (cells.shape[1] * stride, cells.shape[0] * stride)
    fine = cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(fine[:height, :width], np.float32)


def _from_top(counts: Counts) -> Counts:
    """Return the sums from the highest severity downwards, with a 0 in front."""
    return np.concatenate(([0.0], np.cumsum(counts[::-1])))


def _area(x: Counts, y: Counts) -> float:
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def _area_to(x: Counts, y: Counts, limit: float) -> float:
    """Return the area under y from x = 0 to the limit, divided by the limit.

    At equal x, y rises without area. Between two points y is linear.
    """
    last = int(np.searchsorted(x, limit, "right"))
    if last == len(x):
        return _area(x, y) / limit
    share = (limit - x[last - 1]) / (x[last] - x[last - 1])
    at_limit = y[last - 1] + share * (y[last] - y[last - 1])
    return _area(np.append(x[:last], limit), np.append(y[:last], at_limit)) / limit
