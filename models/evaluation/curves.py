"""The paper's figures from outcomes: recall and precision against the IoU threshold, AR, pixels
counted in two ways, each kind by itself. Pure.

He & Liu 2020, section IV, Figs. 9 and 13, Tables 4 to 7. Where the paper leaves open how it counts,
each function states the rule that is used here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.metrics import PictureOutcome, average_recall, f1

LEVELS = tuple(round(0.05 * i, 2) for i in range(1, 21))  # of IoU


@dataclass(frozen=True, slots=True)
class IouCurve:
    """Shares of defects per IoU threshold, as long as levels; nan where there is none to count.

    recall: of the annotated. precision: of the reported. Those with ``_kind`` count a defect only
    where its kind is right too.
    """

    levels: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    recall_kind: tuple[float, ...]
    precision_kind: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PixelScores:
    """Shares of pixels, 0 to 1; nan where there is nothing to count."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class KindScores:
    """One kind's annotated defects: how many, the shares found at IoU 0.5 without and with the kind
    right, AR and mean IoU over them. nan where there is none."""

    kind: str
    defects: int
    recall_50: float
    recall_50_kind: float
    ar: float
    mean_iou: float


def iou_curve(outcomes: Sequence[PictureOutcome], levels: Sequence[float] = LEVELS) -> IouCurve:
    """Return recall and precision over the IoU threshold (He & Liu 2020, Figs. 9 and 13).

    A defect counts at a level where its IoU is at least that level. In the paper it must be
    greater, which differs only where both are equal. The IoU of an annotated defect is that with
    its best report, and the IoU of a report that with its best annotated defect. At an IoU of 0.5
    or less, one report may therefore match two defects.
    """
    matches = [match for o in outcomes for match in o.matches]
    found = np.array([match.iou for match in matches], np.float64)
    named = np.array([match.kind == match.reported_kind for match in matches], np.bool_)
    reported = np.array([iou for o in outcomes for iou in o.reported_ious], np.float64)
    right = np.array([flag for o in outcomes for flag in o.reported_right_kind], np.bool_)
    return IouCurve(
        tuple(float(level) for level in levels),
        _shares(found, len(found), levels),
        _shares(reported, len(reported), levels),
        _shares(found[named], len(found), levels),
        _shares(reported[right], len(reported), levels),
    )


def kind_recall(
    outcomes: Sequence[PictureOutcome], kind: str, levels: Sequence[float] = LEVELS
) -> tuple[float, ...]:
    """The recall of ``iou_curve`` over one kind's annotated defects, without regard of the name
    they were given."""
    ious = np.array([m.iou for o in outcomes for m in o.matches if m.kind == kind], np.float64)
    return _shares(ious, len(ious), levels)


def by_kind(outcomes: Sequence[PictureOutcome], kinds: Sequence[str]) -> tuple[KindScores, ...]:
    """Each kind's annotated defects by themselves, in the order of ``kinds``."""
    return tuple(_kind_scores(outcomes, kind) for kind in kinds)


def together(outcomes: Sequence[PictureOutcome], *, tolerant: bool = False) -> PixelScores:
    """Pixels of all pictures counted together (section IV.C taken word by word), exact or within
    the outcomes' tolerance. Large defects weigh more than small ones."""
    return _scores(
        sum(o.near_reported_px if tolerant else o.hit_px for o in outcomes),
        sum(o.near_annotated_px if tolerant else o.hit_px for o in outcomes),
        sum(o.reported_px for o in outcomes),
        sum(o.annotated_px for o in outcomes),
    )


def per_picture(outcomes: Sequence[PictureOutcome], *, tolerant: bool = False) -> PixelScores:
    """Each figure as the mean over defective pictures; one with nothing reported counts 0.

    The paper does not state which mean its tables show. Its F1 of DAGM2007 (Table 5: 0.915) is not
    the harmonic mean of the precision and recall in the same row (0.925 and 0.908 give 0.916). The
    same is true for the last row of Table 7. So they are means over pictures or classes.
    """
    some = [
        _scores(
            o.near_reported_px if tolerant else o.hit_px,
            o.near_annotated_px if tolerant else o.hit_px,
            o.reported_px,
            o.annotated_px,
        )
        for o in outcomes
        if o.annotated_px
    ]
    if not some:
        return PixelScores(math.nan, math.nan, math.nan)
    return PixelScores(
        float(np.mean([0.0 if math.isnan(s.precision) else s.precision for s in some])),
        float(np.mean([s.recall for s in some])),
        float(np.mean([s.f1 for s in some])),
    )


def picture_ar(outcomes: Sequence[PictureOutcome]) -> float:
    """Equation (3) over defective pictures, with the IoU of all their reported pixels.

    In the paper n counts defects. But its AR falls without the classifier (Table 7). False reports
    far from a defect can only cause this if they reduce its IoU, as they do here. Its 0.690 is
    2 · (0.845 − 0.5), computed from its mean IoU. DAGM2007 has one defect in each picture.
    """
    return average_recall([o.iou for o in outcomes if o.annotated_px])


def mean_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n − 1); the latter 0 for a single value. nan when any
    is. Raises ValueError for none."""
    if not values:
        raise ValueError("no value to take the mean of")
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.mean(values)), sd


def _kind_scores(outcomes: Sequence[PictureOutcome], kind: str) -> KindScores:
    matches = [match for o in outcomes for match in o.matches if match.kind == kind]
    ious = [match.iou for match in matches]
    named = [match.iou for match in matches if match.reported_kind == kind]
    return KindScores(
        kind,
        len(matches),
        _shares(np.array(ious, np.float64), len(ious), (0.5,))[0],
        _shares(np.array(named, np.float64), len(ious), (0.5,))[0],
        average_recall(ious),
        float(np.mean(ious)) if ious else math.nan,
    )


def _shares(
    ious: npt.NDArray[np.float64], whole: int, levels: Sequence[float]
) -> tuple[float, ...]:
    if not whole:
        return (math.nan,) * len(levels)
    return tuple(float((ious >= level).sum() / whole) for level in levels)


def _scores(near_reported: int, near_annotated: int, reported: int, annotated: int) -> PixelScores:
    precision = near_reported / reported if reported else math.nan
    recall = near_annotated / annotated if annotated else math.nan
    return PixelScores(precision, recall, f1(precision, recall))
