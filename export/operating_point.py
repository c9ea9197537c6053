"""The choice of T: the fewest escapes within a limit of false rejects."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from edge.chain.inspector import Inspector
from export.errors import ParityError
from models.evaluation.evaluate import evaluate
from models.evaluation.metrics import summarise
from models.evaluation.tradeoff import OperatingPoint, operating_point, within
from models.training.patches import Picture

log = logging.getLogger(__name__)


def choose_point(
    points: Sequence[OperatingPoint],
    pictures: tuple[Picture, ...],
    kinds: tuple[str, ...],
    limit: float,
    shipped: Callable[[float], Inspector],
) -> OperatingPoint:
    """Return the best T at which the float chain and the packed chain are within the limit.

    The counts of the result are those of the packed chain.

    points: the operating points of the float chain on the validation pictures. limit: of the false
    reject rate, 0 to 1. shipped: returns the packed chain at a T. Blocks for that chain over all
    pictures, at least once. Raises ParityError where no T is within the limit.
    """
    for point in within(points, limit):
        metrics = summarise(evaluate(shipped(point.threshold), pictures, kinds))
        packed = operating_point(point.threshold, metrics.as_dict())
        log.info("operating-point float=%s packed=%s", point, packed)
        if packed.false_reject_rate <= limit:
            return packed
    raise ParityError(
        "int8 does not agree with the float chain: at every T at which float is within the limit, "
        "int8 rejects more good parts than allowed"
    )
