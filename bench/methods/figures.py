"""What is said of one method on one data set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from models.evaluation.metrics import Outcome, summarise

LIMIT = 0.005  # of false rejects, at which escapes are counted
# T at which bundles run: within LIMIT a method that can hardly tell rejects nothing at all, and has
# no pixels to compare and no golden frame to prove. Where no golden frame is rejected, the next.
RUN_LIMITS = (0.05, 0.2, 0.5)


class Figures(BaseModel):
    """Of a bundle on the validation pictures of its run; None where there is nothing to measure.

    pixel_f1, mean_iou: at the run's T. escapes: defective parts passed where a limit on the score
    rejects at most LIMIT of the good parts (the strictest such limit), of so many ``defective``;
    unknown (None) where no part is good, or none is defective.
    train_s: with the start of the process. ms: of a frame in the whole chain on one core, median.
    kept: under each change of the picture, the share of parts whose verdict stays; under
    ``occlusion`` the share of good parts that are rejected. run_limit: the share of good parts that
    T may reject, one of RUN_LIMITS; None for the run's own T. seed: None for the recipe's own.
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


def escapes_at(outcomes: Sequence[Outcome], limit: float = LIMIT) -> int:
    """Defective parts that score no more than the good part above which only the share ``limit``
    of the good parts lie; all of them where no part is good.
    """
    bad = [o.score for o in outcomes if o.defective]
    good = np.sort([o.score for o in outcomes if not o.defective])[::-1]
    if not len(good):
        return len(bad)
    allowed = math.floor(limit * len(good) + 1e-9)
    return sum(score <= good[allowed] for score in bad)


def figures(
    data: str, method: str, outcomes: Sequence[Outcome], train_s: float, bundle_kb: float
) -> Figures:
    """Raises ValueError without an outcome."""
    found = summarise(outcomes)
    return Figures(
        data=data,
        method=method,
        good=found.parts - found.defective,
        defective=found.defective,
        image_ap=_number(found.image_ap),
        image_auroc=_number(found.image_auroc),
        pixel_f1=_number(found.pixel_f1),
        mean_iou=_number(found.mean_iou),
        escapes=escapes_at(outcomes) if 0 < found.defective < found.parts else None,
        train_s=_number(train_s),
        bundle_kb=bundle_kb,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
