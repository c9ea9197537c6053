"""The search for T: the threshold that maximises the mean IoU on validation pictures.

He & Liu 2020, section IV.G and Figs. 16 and 17.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.chain.filter import TOLERANCE, keep
from edge.records import SeverityMap

GRID = np.round(np.arange(0.2, 11.9, 0.1), 1)


@dataclass(frozen=True, slots=True)
class ThresholdSearch:
    """The best T and the curve it was read from, one value per T of the grid.

    mean_iou: over defective parts, before the classifier. false_alarms: share of good parts with
    any pixel at or above T.
    """

    best: float
    thresholds: tuple[float, ...]
    mean_iou: tuple[float, ...]
    false_alarms: tuple[float, ...]


def search_threshold(
    maps: Iterable[tuple[SeverityMap, npt.NDArray[np.bool_]]],
) -> ThresholdSearch:
    """T by mean IoU over the maps (severity, annotated pixels H×W).

    The curve is flat around its top; of all T within 0.002 of the best mean IoU the one with the
    fewest false alarms on good parts is taken, the lowest of these. Raises ValueError when no part
    is defective.
    """
    ious: list[npt.NDArray[np.float64]] = []
    alarms: list[npt.NDArray[np.bool_]] = []
    for severity, annotated in maps:
        height, width = annotated.shape
        mask = keep(severity, float(GRID[0]), height, width)
        truth_px = int(annotated.sum())
        if mask is None:
            inside = outside = np.zeros(len(GRID))
        else:
            h, w = mask.pixels.shape
            truth = annotated[mask.top : mask.top + h, mask.left : mask.left + w]
            inside, outside = _above(mask.severity[truth]), _above(mask.severity[~truth])
        if truth_px:
            ious.append(inside / (truth_px + outside))
        else:
            alarms.append(outside > 0)
    if not ious:
        raise ValueError("no validation picture carries a defect; T cannot be searched")
    mean_iou = np.mean(ious, axis=0)
    false_alarms = np.mean(alarms, axis=0) if alarms else np.zeros(len(GRID))
    near = np.flatnonzero(mean_iou >= mean_iou.max() - 0.002)
    best = near[np.argmin(false_alarms[near])]
    return ThresholdSearch(
        float(GRID[best]),
        tuple(GRID.tolist()),
        tuple(mean_iou.tolist()),
        tuple(false_alarms.tolist()),
    )


def _above(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """How many values are at or above each T of the grid, as ``keep`` compares them."""
    ordered = np.sort(values)
    limits = (GRID - TOLERANCE).astype(np.float32)
    return (len(ordered) - np.searchsorted(ordered, limits)).astype(np.float64)
