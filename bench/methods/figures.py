"""The figures of one method on one data set."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from models.evaluation.metrics import PictureOutcome, summarise
from models.evaluation.promise import escapes_at

LIMIT = 0.005  # share of false rejects at which escapes are counted
# Shares of false rejects that set the T of bundles. Within LIMIT a weak method rejects nothing, so
# it has no pixels to compare and no rejected golden frame. Where no golden frame is rejected, the
# next share is used.
RUN_LIMITS = (0.05, 0.2, 0.5)


class MethodFigures(BaseModel):
    """The figures of a bundle on the validation pictures of its run; None where not measurable.

    pixel_f1, mean_iou: at the T of the run.
    escapes: number of the ``defective`` parts that pass. The limit on the score is the strictest
    one that rejects at most LIMIT of the good parts. None where no part is good, or none is
    defective. train_s: duration of the training, with the start of the process.
    ms: median time of a frame in the whole chain on one core.
    kept: for each change of the picture, the share of parts whose verdict stays the same. For
    ``occlusion``, the share of good parts that are rejected.
    run_limit: share of good parts that T may reject, one of RUN_LIMITS; None for the T of the run.
    seed: None for the seed of the recipe.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    method: str
    good: int
    defective: int
    image_ap: float | None
    image_auroc: float | None
    pixel_f1: float | None
    mean_iou: float | None
    escapes: int | None
    train_s: float | None
    bundle_kb: float
    ms: float | None = None
    kept: dict[str, float] = {}
    run_limit: float | None = None
    seed: int | None = None


def figures(
    data: str, method: str, outcomes: Sequence[PictureOutcome], train_s: float, bundle_kb: float
) -> MethodFigures:
    """Return the figures of outcomes. Raises ValueError without an outcome."""
    metrics = summarise(outcomes)
    return MethodFigures(
        data=data,
        method=method,
        good=metrics.parts - metrics.defective,
        defective=metrics.defective,
        image_ap=_number(metrics.image_ap),
        image_auroc=_number(metrics.image_auroc),
        pixel_f1=_number(metrics.pixel_f1),
        mean_iou=_number(metrics.mean_iou),
        escapes=escapes_at(outcomes) if 0 < metrics.defective < metrics.parts else None,
        train_s=_number(train_s),
        bundle_kb=bundle_kb,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
