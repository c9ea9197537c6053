"""The figures of one bundle on the test side of one fold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench.public_sets.fold import Supervision
from models.evaluation.metrics import PictureOutcome, summarise
from models.evaluation.pixel_ranking import PixelRanking
from models.evaluation.promise import escapes_at

LIMITS = (0.0, 0.005, 0.05)  # shares of false rejects at which escapes are counted


class PictureScore(BaseModel):
    """One line of scores.jsonl. score: that of the verdict, by which the station ranks parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    defective: bool
    rejected: bool
    score: float


class FoldFigures(BaseModel):
    """The figures of a bundle on the test side of a fold; None where not measurable.

    picture_auroc, picture_ap: of the scores of verdicts. pixel_auroc, aupro, pixel_ap,
    pixel_best_f1: of the severity of every pixel of pictures with masks. pixel_f1, pixel_f1_tol,
    mean_iou: of the reported defects at the T of the bundle, exact or within 2 px. escapes: numbers
    of defective parts that pass, at each of LIMITS. escapes_at_t, false_rejects_at_t: at the T of
    the bundle. accuracy: share of right verdicts at that T. ms: median of a frame in the whole
    chain on one core. train_s: duration of training, with the start of the process. marked:
    number of defective pictures in training; None is all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    set: str
    category: str
    recipe: str
    supervision: Supervision
    seed: int
    marked: int | None = None
    remark: str
    good: int
    defective: int
    regions: int
    picture_auroc: float | None
    picture_ap: float | None
    pixel_auroc: float | None
    aupro: float | None
    pixel_ap: float | None
    pixel_best_f1: float | None
    pixel_f1: float | None
    pixel_f1_tol: float | None
    mean_iou: float | None
    accuracy: float | None
    escapes: tuple[int | None, ...]
    escapes_at_t: int | None
    false_rejects_at_t: int | None
    ms: float
    train_s: float | None
    bundle_bytes: int
    bundle_sha256: str

    @property
    def learns_from(self) -> str:
        """Return the supervision in words, with the number of defective pictures if limited."""
        if self.marked is None:
            return self.supervision
        return f"{self.supervision} of {self.marked}" if self.marked else "good"


def accuracy_figures(
    outcomes: Sequence[PictureOutcome], ranking: PixelRanking
) -> dict[str, float | int | tuple[int | None, ...] | None]:
    """Return the figures of accuracy by their names in FoldFigures. Raises ValueError for none."""
    metrics = summarise(outcomes)
    good = metrics.parts - metrics.defective
    both = good > 0 and metrics.defective > 0
    right = sum(o.rejected == o.defective for o in outcomes)
    return {
        "good": good,
        "defective": metrics.defective,
        "regions": ranking.regions,
        "picture_auroc": known(metrics.image_auroc),
        "picture_ap": known(metrics.image_ap) if both else None,
        "pixel_auroc": known(ranking.auroc),
        "aupro": known(ranking.aupro),
        "pixel_ap": known(ranking.ap),
        "pixel_best_f1": known(ranking.best_f1),
        "pixel_f1": known(metrics.pixel_f1) if ranking.regions else None,
        "pixel_f1_tol": known(metrics.pixel_f1_tol) if ranking.regions else None,
        "mean_iou": known(metrics.mean_iou),
        "accuracy": right / metrics.parts if both else None,
        "escapes": tuple(escapes_at(outcomes, limit) if both else None for limit in LIMITS),
        "escapes_at_t": metrics.escapes,
        "false_rejects_at_t": metrics.false_rejects,
    }


def known(value: float) -> float | None:
    """Return the value, or None for nan, which JSON does not have."""
    return None if math.isnan(value) else value


def read_scores(path: Path) -> tuple[PictureScore, ...]:
    """Return the lines of a scores.jsonl."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(PictureScore.model_validate_json(line) for line in lines)
