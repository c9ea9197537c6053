"""The metrics of a chain: those of the paper, and escapes and false rejects.

He & Liu 2020, section IV.C, define pixel precision, recall and F1, IoU, and
AR = (2/n) Σ max(IoU − 0.5, 0) (equation 3). They also count defects found at an IoU threshold, with
and without the kind. This module adds pixel figures with a tolerance, average precision of
pictures, escapes and false rejects.

The annotation of a crack that is one or two pixels wide is not more exact than its width. The
literature on road cracks (AigleRN, CrackForest) therefore uses a tolerance of a few pixels. A
reported pixel is right where an annotated one is near, and an annotated pixel is found where a
reported one is near. The paper does not state whether its Table 4 has a tolerance, so both figures
are given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.chain.components import components
from edge.chain.filter import Mask
from models.data.dataset import Pixels

JOIN_PX = 4.0  # from the paper: annotated clusters nearer than this are one defect
TOLERANCE_PX = 2.0  # between pixel centres; the usual value for AigleRN
COUNTS = ("escapes", "false_rejects")  # shown as unknown where there is no part to count
# The texts of all figures on pages and in tables, the most important first.
WORDS = {
    "parts": "parts",
    "defective": "defective parts",
    "escapes": "escapes: defective parts passed",
    "escape_rate": "share of the defective parts passed",
    "false_rejects": "false rejects: good parts rejected",
    "false_reject_rate": "share of the good parts rejected",
    "image_ap": "average precision of pictures, ranked by score",
    "image_auroc": "AUROC of pictures, ranked by score",
    "mean_iou": "mean IoU over defective parts",
    "mean_iou_all": "mean IoU over all parts",
    "pixel_precision": "precision of pixels",
    "pixel_recall": "recall of pixels",
    "pixel_f1": "F1 of pixels",
    "pixel_precision_tol": f"precision of pixels, within {TOLERANCE_PX:g} px",
    "pixel_recall_tol": f"recall of pixels, within {TOLERANCE_PX:g} px",
    "pixel_f1_tol": f"F1 of pixels, within {TOLERANCE_PX:g} px",
    "ar": "AR, equation (3) of He & Liu 2020",
    "defect_recall_50": "drawn defects found at IoU 0.5",
    "defect_precision_50": "reported defects right at IoU 0.5",
    "defect_recall_50_kind": "drawn defects found at IoU 0.5 and named right",
}


@dataclass(frozen=True, slots=True)
class Match:
    """An annotated defect and the reported one that covers it best ('' where none touches it)."""

    kind: str
    iou: float
    reported_kind: str


@dataclass(frozen=True, slots=True)
class PictureOutcome:
    """The result for one part, compared with its annotation.

    Pixels are counted over the frame. score is the score of the verdict. A part is defective by its
    annotation, or because it is ``unmasked``: known to be defective without a mask. Then its pixels
    count nowhere. part_score: of the decision head, where there is one.

    near_reported_px: reported pixels with an annotated one within the tolerance. near_annotated_px:
    annotated pixels with a reported one within it. Both are hit_px where the tolerance is 0.
    """

    name: str
    kinds: tuple[str, ...]
    rejected: bool
    score: float
    hit_px: int
    reported_px: int
    annotated_px: int
    near_reported_px: int
    near_annotated_px: int
    matches: tuple[Match, ...]
    reported_ious: tuple[float, ...]
    reported_right_kind: tuple[bool, ...]
    unmasked: bool = False
    part_score: float | None = None

    @property
    def defective(self) -> bool:
        return self.unmasked or self.annotated_px > 0

    @property
    def iou(self) -> float:
        """Return the IoU of all reported and all annotated pixels; 1 where there are none."""
        union = self.reported_px + self.annotated_px - self.hit_px
        return self.hit_px / union if union else 1.0


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics over a set of parts.

    Shares are 0 to 1, and nan where there is nothing to count. mean_iou is over annotated parts, ar
    over annotated defects. Pixels of all parts are counted together. The ``_tol`` figures use the
    tolerance of the outcomes. escapes is None (unknown) where no part is defective, false_rejects
    where none is good.
    """

    parts: int
    defective: int
    image_ap: float
    image_auroc: float
    mean_iou: float
    mean_iou_all: float
    pixel_precision: float
    pixel_recall: float
    pixel_f1: float
    pixel_precision_tol: float
    pixel_recall_tol: float
    pixel_f1_tol: float
    ar: float
    defect_recall_50: float
    defect_precision_50: float
    defect_recall_50_kind: float
    escapes: int | None
    false_rejects: int | None
    escape_rate: float
    false_reject_rate: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name, without those that are nan: JSON has no NaN."""
        return {name: v for name, v in self.as_measures().items() if not math.isnan(v)}

    def as_measures(self) -> dict[str, float]:
        """Return every figure by name; nan where there is nothing to count."""
        values = asdict(self).items()
        return {name: math.nan if value is None else float(value) for name, value in values}


def outcome(
    name: str,
    kind_map: Pixels,
    kinds: tuple[str, ...],
    labels: npt.NDArray[np.int64],
    reported_kinds: Sequence[str],
    *,
    rejected: bool,
    score: float,
    tolerance_px: float = TOLERANCE_PX,
    unmasked: bool = False,
    part_score: float | None = None,
) -> PictureOutcome:
    """Compare one part's report with its annotation.

    kind_map: uint8 H×W, 0 or 1 + index into kinds. labels: H×W, 0 or 1 + index into reported_kinds.
    tolerance_px: see ``within``.
    """
    annotated, reported = kind_map > 0, labels > 0
    truth = [
        (kinds[value - 1], region)
        for value in np.unique(kind_map[annotated]).tolist()
        for region in _defects(kind_map == value)
    ]
    ious = np.zeros((len(truth), len(reported_kinds)))
    areas = np.bincount(labels.ravel(), minlength=len(reported_kinds) + 1)
    for row, (_, region) in enumerate(truth):
        inside = np.bincount(labels[region], minlength=len(reported_kinds) + 1)[1:]
        ious[row] = inside / np.maximum(areas[1:] + region.sum() - inside, 1)
    matches = tuple(
        Match(
            kind,
            float(row.max(initial=0.0)),
            reported_kinds[int(row.argmax())] if row.any() else "",
        )
        for (kind, _), row in zip(truth, ious, strict=True)
    )
    best = ious.max(0, initial=0.0)
    right = tuple(
        bool(ious[:, j].any()) and truth[int(ious[:, j].argmax())][0] == kind
        for j, kind in enumerate(reported_kinds)
    )
    return PictureOutcome(
        name,
        tuple(dict.fromkeys(kind for kind, _ in truth)),
        rejected,
        score,
        int((annotated & reported).sum()),
        int(reported.sum()),
        int(annotated.sum()),
        *near_px(reported, annotated, tolerance_px),
        matches,
        tuple(float(v) for v in best),
        right,
        unmasked,
        part_score,
    )


def summarise(outcomes: Sequence[PictureOutcome]) -> Metrics:
    """Return the metrics of a set of parts. Raises ValueError where there is none."""
    if not outcomes:
        raise ValueError("no part to summarise")
    bad = [o for o in outcomes if o.defective]
    good = [o for o in outcomes if not o.defective]
    drawn = [o for o in outcomes if not o.unmasked]
    hit = sum(o.hit_px for o in drawn)
    reported, annotated = sum(o.reported_px for o in drawn), sum(o.annotated_px for o in drawn)
    near_precision = _share(sum(o.near_reported_px for o in drawn), reported)
    near_recall = _share(sum(o.near_annotated_px for o in drawn), annotated)
    matches = [match for o in drawn for match in o.matches]
    found = [match for match in matches if match.iou >= 0.5]
    reports = [iou for o in drawn for iou in o.reported_ious]
    positive, scores = [o.defective for o in outcomes], [o.score for o in outcomes]
    escapes = sum(not o.rejected for o in bad)
    false_rejects = sum(o.rejected for o in good)
    return Metrics(
        parts=len(outcomes),
        defective=len(bad),
        image_ap=average_precision(positive, scores),
        image_auroc=auroc(positive, scores),
        mean_iou=_mean([o.iou for o in drawn if o.annotated_px]),
        mean_iou_all=_mean([o.iou for o in drawn]),
        pixel_precision=_share(hit, reported),
        pixel_recall=_share(hit, annotated),
        pixel_f1=_share(2 * hit, reported + annotated),
        pixel_precision_tol=near_precision,
        pixel_recall_tol=near_recall,
        pixel_f1_tol=f1(near_precision, near_recall),
        ar=average_recall([match.iou for match in matches]),
        defect_recall_50=_share(len(found), len(matches)),
        defect_precision_50=_share(sum(iou >= 0.5 for iou in reports), len(reports)),
        defect_recall_50_kind=_share(sum(m.kind == m.reported_kind for m in found), len(matches)),
        escapes=escapes if bad else None,
        false_rejects=false_rejects if good else None,
        escape_rate=_share(escapes, len(bad)),
        false_reject_rate=_share(false_rejects, len(good)),
    )


def known(values: Mapping[str, float]) -> dict[str, float]:
    """Return metrics by name without counts that are unknown.

    These are escapes where no part is defective, and false rejects where none is good.
    """
    unknown = set()
    if values.get("defective") == 0:
        unknown.add("escapes")
    if "parts" in values and values.get("defective") == values["parts"]:
        unknown.add("false_rejects")
    return {name: value for name, value in values.items() if name not in unknown}


def near_px(
    reported: npt.NDArray[np.bool_], annotated: npt.NDArray[np.bool_], tolerance_px: float
) -> tuple[int, int]:
    """Count reported pixels with an annotated one near, and annotated pixels with a reported one.

    Both masks are bool H×W. Near means within tolerance_px. Raises ValueError for a negative
    tolerance.
    """
    if tolerance_px < 0:
        raise ValueError(f"tolerance is {tolerance_px} px; expected 0 or more")
    if not (reported.any() and annotated.any()):
        return 0, 0
    return (
        int((reported & within(annotated, tolerance_px)).sum()),
        int((annotated & within(reported, tolerance_px)).sum()),
    )


def within(mask: npt.NDArray[np.bool_], tolerance_px: float) -> npt.NDArray[np.bool_]:
    """Return bool H×W: true where a pixel of the mask is at most tolerance_px away.

    The distance is Euclidean between pixel centres. 0 returns the mask, and 1 adds the neighbours
    above, below, left and right.
    """
    reach = int(tolerance_px)
    if not reach:
        return mask
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = (x * x + y * y <= tolerance_px * tolerance_px).astype(np.uint8)
    return cv2.dilate(mask.astype(np.uint8), disc) > 0


def f1(precision: float, recall: float) -> float:
    """Return the harmonic mean; 0 where one is 0, or where only one is undefined.

    nan where both are undefined: nothing is reported and nothing annotated.
    """
    if math.isnan(precision) and math.isnan(recall):
        return math.nan
    if math.isnan(precision) or math.isnan(recall) or precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def average_recall(ious: Sequence[float]) -> float:
    """AR, He & Liu 2020, equation (3): twice the area under recall against the IoU threshold, from
    0.5 to 1. ious: of each annotated defect with what was reported for it. nan without one."""
    return 2 * _mean([max(iou - 0.5, 0.0) for iou in ious])


def average_precision(positive: Sequence[bool], scores: Sequence[float]) -> float:
    """Area under the precision-recall steps; equal scores are one step. nan without a positive."""
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    labels = np.asarray(positive, np.float64)[order]
    if not labels.any():
        return float("nan")
    ranked = np.asarray(scores, np.float64)[order]
    last = np.append(
        np.flatnonzero(np.diff(ranked)), len(ranked) - 1
    )  # of each run of equal scores
    hits = np.cumsum(labels)[last]
    precision = hits / (last + 1)
    return float((precision * np.diff(hits, prepend=0.0)).sum() / labels.sum())


def auroc(positive: Sequence[bool], scores: Sequence[float]) -> float:
    """The chance that a positive scores above a negative, equal scores counting half (Hanley &
    McNeil, Radiology 143:29, 1982). nan without both."""
    labels, values = np.asarray(positive, np.bool_), np.asarray(scores, np.float64)
    negatives = np.sort(values[~labels])
    if not labels.any() or not len(negatives):
        return float("nan")
    below = np.searchsorted(negatives, values[labels], "left")
    equal = np.searchsorted(negatives, values[labels], "right") - below
    return float((below + equal / 2).mean() / len(negatives))


def confusion(outcomes: Sequence[PictureOutcome], kinds: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Annotated kind (rows) × reported kind, last column: not found. The paper's Table 6."""
    table = np.zeros((len(kinds), len(kinds) + 1), np.int64)
    for match in (match for o in outcomes for match in o.matches):
        found = match.reported_kind in kinds
        table[kinds.index(match.kind), kinds.index(match.reported_kind) if found else -1] += 1
    return table


def _defects(mask: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    """Annotated pixels of one kind, split into defects as the chain splits reported ones."""
    pixels = mask.view(np.uint8)
    found = components(Mask(pixels, pixels.astype(np.float32), 0, 0), JOIN_PX)
    return [found.labels == i for i in range(1, len(found.regions) + 1)]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
