"""The choice of the limit that decides: the fewest escapes within a limit of false rejects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.chain.inspector import Inspector
from export.errors import ParityError
from models.evaluation.evaluate import evaluate
from models.evaluation.metrics import PictureOutcome, summarise
from models.evaluation.tradeoff import OperatingPoint, operating_point, within
from models.networks import SEVERITY_MAX
from models.training.patches import Picture

log = logging.getLogger(__name__)

PART_STEP = 0.05  # a step of a build in uint8: the score of a good part must lie below


def stricter_part_threshold(
    outcomes: Sequence[PictureOutcome], threshold: float, limit: float
) -> float:
    """Return the lowest part threshold, from ``threshold`` on, within a limit of false rejects.

    outcomes: of a chain with a decision head. limit: of the share of good parts that the score of
    the part rejects, 0 to 1. At SEVERITY_MAX it rejects hardly any part.
    """
    good = sorted(
        (o.part_score for o in outcomes if not o.defective and o.part_score is not None),
        reverse=True,
    )
    allowed = int(limit * len(good))
    if allowed >= len(good) or good[allowed] < threshold:
        return threshold
    return min(round(good[allowed] + PART_STEP, 2), SEVERITY_MAX)


def choose_point(
    points: Sequence[OperatingPoint],
    pictures: tuple[Picture, ...],
    kinds: tuple[str, ...],
    limit: float,
    shipped: Callable[[OperatingPoint], Inspector],
) -> OperatingPoint:
    """Return the best point at which the float chain and the packed chain are within the limit.

    The counts of the result are those of the packed chain.

    points: the operating points of the float chain on the validation pictures. limit: of the false
    reject rate, 0 to 1. shipped: returns the packed chain at a point. Blocks for that chain over
    all pictures, at least once. Raises ParityError where no point is within the limit.
    """
    for point in within(points, limit):
        metrics = summarise(evaluate(shipped(point), pictures, kinds))
        packed = replace(
            operating_point(point.threshold, metrics.as_dict()),
            reject_severity=point.reject_severity,
        )
        log.info("operating-point float=%s packed=%s", point, packed)
        if packed.false_reject_rate <= limit:
            return packed
    raise ParityError(
        "int8 does not agree with the float chain: at every limit at which float is within it, "
        "int8 rejects more good parts than allowed"
    )
