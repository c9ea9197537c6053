"""The search for T on validation pictures: by mean IoU, or by good parts alone.

He & Liu 2020, section IV.G and Figs. 16 and 17, use the T with the best mean IoU. Without a drawn
defect there is no IoU, and T is a percentile of the scores of good parts, as in the second source.
Without a good part, only the surface around the drawn defects limits T from below. Then T is the
threshold at which the fewest pictures are missed or have a reported region without a drawn defect
(decision 42).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.filter import TOLERANCE, Mask, apply_threshold
from edge.records import SeverityMap

STEP = 0.1
GRID = np.round(np.arange(0.2, 11.9, STEP), 1)
MOST_FALSE_ALARMS = 0.05  # of good parts, behind a method that learned from them
MAX_FALSE_ALARMS = 0.005  # of good parts, where T is taken from them alone
NEAR_PX = 4.0  # of a drawn pixel: nearer regions are joined with it, so they are its rim
MARGIN = 1.0  # of severity: int8 and the next batch of parts score a defect lower than these did
SLACK = 0.01  # sums of two shares that are nearer than this are equal
_MARGIN_STEPS = round(MARGIN / STEP)
COARSE = 3  # strays are looked for at every third T of the grid: components cost milliseconds


@dataclass(frozen=True, slots=True)
class ThresholdSearch:
    """The best T and the curve it was read from, one value per T of the grid.

    mean_iou: over defective parts, before the classifier; None where none is annotated.
    false_alarms: share of good parts with any pixel at or above T; None where none is good. strays:
    then, the share of the defective parts with a region where nothing is drawn; else None.
    """

    best: float
    thresholds: tuple[float, ...]
    mean_iou: tuple[float, ...] | None
    false_alarms: tuple[float, ...] | None
    strays: tuple[float, ...] | None = None

    @property
    def best_iou(self) -> float:
        """The highest mean IoU; nan where there is none."""
        return math.nan if self.mean_iou is None else max(self.mean_iou)


def search_threshold(
    maps: Iterable[tuple[SeverityMap, npt.NDArray[np.bool_]]],
    max_false_alarms: float | None = None,
    most_false_alarms: float = 1.0,
) -> ThresholdSearch:
    """Return the T with the best mean IoU over the maps (severity, annotated pixels H×W).

    The curve is flat around its maximum. Among all T within 0.002 of the best mean IoU, the one
    with the fewest false alarms on good parts is chosen, and the lowest of these.
    most_false_alarms: a T at which a larger share of the good parts (0 to 1) has an alarm is
    considered only if there is no other.

    If no defect is annotated, or max_false_alarms is given, the lowest T is chosen at which at most
    that share of the good parts (0 to 1; else MAX_FALSE_ALARMS) has an alarm. If there is none, it
    is the highest T of the grid.

    If no part is good, the T with the least sum of two shares is chosen: parts without an annotated
    pixel above T + MARGIN, and parts with a region where nothing is annotated. Among all within
    SLACK of that sum, those with the fewest missed parts count, then the best mean IoU.

    Raises ValueError without any part.
    """
    ious: list[npt.NDArray[np.float64]] = []
    alarms: list[npt.NDArray[np.bool_]] = []
    missed: list[npt.NDArray[np.bool_]] = []
    strays: list[npt.NDArray[np.bool_]] = []
    for severity, annotated in maps:
        height, width = annotated.shape
        mask = apply_threshold(severity, float(GRID[0]), height, width)
        truth_px = int(annotated.sum())
        if mask is None:
            inside = outside = np.zeros(len(GRID))
        else:
            h, w = mask.pixels.shape
            truth = annotated[mask.top : mask.top + h, mask.left : mask.left + w]
            inside, outside = _above(mask.severity[truth]), _above(mask.severity[~truth])
        if truth_px:
            ious.append(inside / (truth_px + outside))
            missed.append(inside == 0)
            if not alarms:  # needed only where no part is good
                strays.append(_strays(mask, annotated))
        else:
            alarms.append(outside > 0)
    if not ious and not alarms:
        raise ValueError("no validation picture; T cannot be searched")
    mean_iou = np.mean(ious, axis=0) if ious else None
    if not alarms:
        assert mean_iou is not None
        stray = np.mean(strays, axis=0)
        return ThresholdSearch(
            float(GRID[_fewest_mistakes(np.mean(missed, axis=0), stray, mean_iou)]),
            tuple(GRID.tolist()),
            tuple(mean_iou.tolist()),
            None,
            tuple(stray.tolist()),
        )
    false_alarms = np.mean(alarms, axis=0)
    if mean_iou is None or max_false_alarms is not None:
        limit = MAX_FALSE_ALARMS if max_false_alarms is None else max_false_alarms
        within = np.flatnonzero(false_alarms <= limit)
        best = within[0] if len(within) else len(GRID) - 1
    else:
        allowed = np.flatnonzero(false_alarms <= max(most_false_alarms, false_alarms.min()))
        near = allowed[mean_iou[allowed] >= mean_iou[allowed].max() - 0.002]
        best = near[np.argmin(false_alarms[near])]
    return ThresholdSearch(
        float(GRID[best]),
        tuple(GRID.tolist()),
        None if mean_iou is None else tuple(mean_iou.tolist()),
        tuple(false_alarms.tolist()),
    )


def _fewest_mistakes(
    missed: npt.NDArray[np.float64], stray: npt.NDArray[np.float64], iou: npt.NDArray[np.float64]
) -> int:
    """Return the index on the grid. missed, stray: shares of the parts."""
    further = np.append(missed[_MARGIN_STEPS:], np.repeat(missed[-1], _MARGIN_STEPS))
    sums = further + stray
    near = np.flatnonzero(sums <= sums.min() + SLACK)
    near = near[further[near] == further[near].min()]
    return int(near[np.argmax(iou[near])])


def _strays(mask: Mask | None, annotated: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return for each T of the grid whether a region lies wholly beyond NEAR_PX of drawn pixels.

    Every COARSE-th T is examined. Each T in between has the result of the next lower one.
    """
    found = np.zeros(len(GRID), np.bool_)
    if mask is None:
        return found
    far = cv2.distanceTransform((~annotated).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    h, w = mask.pixels.shape
    rim = far[mask.top : mask.top + h, mask.left : mask.left + w] <= NEAR_PX
    for place in range(0, len(GRID), COARSE):
        at = (mask.severity >= np.float32(GRID[place] - TOLERANCE)).view(np.uint8)
        if not at[~rim].any():
            break
        count, labels = cv2.connectedComponents(at, connectivity=8)
        # Label 0 is what lies below T.
        found[place : place + COARSE] = len(np.unique(labels[rim & (at > 0)])) < count - 1
    return found


def _above(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the number of values at or above each T of the grid, as in ``apply_threshold``."""
    ordered = np.sort(values)
    limits = (GRID - TOLERANCE).astype(np.float32)
    return (len(ordered) - np.searchsorted(ordered, limits)).astype(np.float64)
