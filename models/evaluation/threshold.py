"""The search for T on validation pictures: by mean IoU, or by good parts alone.

He & Liu 2020, section IV.G and Figs. 16 and 17, use the T with the best mean IoU. For a method that
learns from good parts T also decides, so it is a percentile of their scores, as in the second
source. T of other methods sets the extent of what is reported. What rejects has a limit of its own
(reject_severity.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge.chain.filter import TOLERANCE, apply_threshold
from edge.records import SeverityMap
from models.evaluation.promise import MAX_FALSE_REJECTS
from models.evaluation.reject_severity import PLACE

Values: TypeAlias = npt.NDArray[np.float64]

STEP = 0.1
GRID = np.round(np.arange(0.2, 11.9, STEP), 1)
MOST_FALSE_ALARMS = 0.05  # of good parts, behind a method that learned from them
LEAST_MARKED = 8  # held-back parts that are marked defective; fewer do not set T
NEAR_BEST = 0.002  # of the best mean IoU: the curve is flat around its maximum


@dataclass(frozen=True, slots=True)
class ThresholdSearch:
    """The best T and the curve it was read from, one value per T of the grid.

    mean_iou: over defective parts, before the classifier; None where none is annotated.
    false_alarms: share of good parts with any pixel at or above T; None where none is good.
    missed: share of marked parts without a pixel at or above T, with a limit also of annotated ones
    without one inside; None where none is.
    """

    best: float
    thresholds: tuple[float, ...]
    mean_iou: tuple[float, ...] | None
    false_alarms: tuple[float, ...] | None
    missed: tuple[float, ...] | None = None

    @property
    def best_iou(self) -> float:
        """The highest mean IoU; nan where there is none."""
        return math.nan if self.mean_iou is None else max(self.mean_iou)


def search_threshold(
    maps: Iterable[tuple[SeverityMap, npt.NDArray[np.bool_]]],
    max_false_alarms: float | None = None,
    most_false_alarms: float = 1.0,
    marked: Iterable[tuple[SeverityMap, tuple[int, int]]] = (),
) -> ThresholdSearch:
    """Return the T with the best mean IoU over the maps (severity, annotated pixels H×W).

    Among all T within NEAR_BEST of the best mean IoU, the one with the fewest false alarms on good
    parts is chosen, and the lowest of these. If no part is good, the middle one is chosen.
    most_false_alarms: a T at which a larger share of the good parts (0 to 1) has an alarm is
    considered only if there is no other.

    If no defect is annotated, or max_false_alarms is given, the lowest T is chosen at which at most
    that share of the good parts (0 to 1; else MAX_FALSE_REJECTS) has an alarm. If there is none, it
    is the highest T of the grid.

    marked: maps of parts that are defective at an unknown place, with height and width in pixels.
    With max_false_alarms, T moves up as long as no more of them, and no more annotated defects, are
    missed: to the best mean IoU, or without an annotated defect to the place PLACE. If
    no defect is annotated and no max_false_alarms is given, they set T: the least sum of the share
    of them that is missed and of the share of good parts with an alarm. most_false_alarms holds
    here too.

    Raises ValueError without any part.
    """
    ious: list[npt.NDArray[np.float64]] = []
    drawn: list[npt.NDArray[np.bool_]] = []
    alarms: list[npt.NDArray[np.bool_]] = []
    for severity, annotated in maps:
        height, width = annotated.shape
        truth_px = int(annotated.sum())
        if not truth_px:
            alarms.append(_alarms(severity, height, width))
            continue
        mask = apply_threshold(severity, float(GRID[0]), height, width)
        if mask is None:
            inside = outside = np.zeros(len(GRID))
        else:
            h, w = mask.pixels.shape
            truth = annotated[mask.top : mask.top + h, mask.left : mask.left + w]
            inside, outside = _above(mask.severity[truth]), _above(mask.severity[~truth])
        ious.append(inside / (truth_px + outside))
        drawn.append(inside > 0)
    if not ious and not alarms:
        raise ValueError("no validation picture; T cannot be searched")
    mean_iou = np.mean(ious, axis=0) if ious else None
    is_limited = max_false_alarms is not None
    counts_marked = is_limited or not ious
    reached = [_alarms(found, *size) for found, size in marked] if counts_marked else []
    reached += drawn if is_limited else []
    if not alarms:
        assert mean_iou is not None
        near = np.flatnonzero(mean_iou >= mean_iou.max() - NEAR_BEST)
        return ThresholdSearch(
            float(GRID[near[len(near) // 2]]), tuple(GRID.tolist()), tuple(mean_iou.tolist()), None
        )
    false_alarms = np.mean(alarms, axis=0)
    missed = 1.0 - np.mean(reached, axis=0) if reached else None
    best = _choose(mean_iou, false_alarms, missed, max_false_alarms, most_false_alarms)
    return ThresholdSearch(
        float(GRID[best]),
        tuple(GRID.tolist()),
        None if mean_iou is None else tuple(mean_iou.tolist()),
        tuple(false_alarms.tolist()),
        None if missed is None else tuple(missed.tolist()),
    )


def _choose(
    mean_iou: Values | None,
    false_alarms: Values,
    missed: Values | None,
    limit: float | None,
    most_false_alarms: float,
) -> int:
    """Return the place of T in the grid. The parameters are those of ``search_threshold``."""
    allowed = np.flatnonzero(false_alarms <= max(most_false_alarms, false_alarms.min()))
    if missed is not None and limit is None:
        sums = (false_alarms + missed)[allowed]
        near = allowed[sums <= sums.min() + 1e-9]
        return int(near[int((len(near) - 1) * PLACE)])
    if mean_iou is not None and limit is None:
        near = allowed[mean_iou[allowed] >= mean_iou[allowed].max() - NEAR_BEST]
        return int(near[np.argmin(false_alarms[near])])
    within = np.flatnonzero(false_alarms <= (MAX_FALSE_REJECTS if limit is None else limit) + 1e-9)
    if not len(within):
        return len(GRID) - 1
    if missed is None:
        return int(within[0])
    near = within[missed[within] <= missed[within[0]] + 1e-9]
    near = near[false_alarms[near] <= false_alarms[near[-1]]]
    if mean_iou is None:
        return int(near[int((len(near) - 1) * PLACE)])
    return int(near[np.flatnonzero(mean_iou[near] >= mean_iou[near].max() - NEAR_BEST)[0]])


def _alarms(severity: SeverityMap, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return whether any pixel is at or above each T of the grid."""
    mask = apply_threshold(severity, float(GRID[0]), height, width)
    return np.zeros(len(GRID), np.bool_) if mask is None else _above(mask.severity.ravel()) > 0


def _above(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the number of values at or above each T of the grid, as in ``apply_threshold``."""
    ordered = np.sort(values)
    limits = (GRID - TOLERANCE).astype(np.float32)
    return (len(ordered) - np.searchsorted(ordered, limits)).astype(np.float64)
