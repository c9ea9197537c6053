"""T by what the line allows: the fewest escapes within a limit of false rejects."""

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
    """The best T of the float chain at which the chain to be shipped keeps the limit too, with the
    counts of the latter.

    points: the float chain's, over T, on the run's validation pictures. limit: of the false reject
    rate, 0 to 1. shipped: the chain at a T. Blocks for the shipped chain over all pictures, once or
    more. Raises ParityError when it keeps the limit at no such T.
    """
    for point in within(points, limit):
        metrics = summarise(evaluate(shipped(point.threshold), pictures, kinds))
        found = operating_point(point.threshold, metrics.as_dict())
        log.info("operating-point float=%s shipped=%s", point, found)
        if found.false_reject_rate <= limit:
            return found
    raise ParityError(
        "int8 is not the float chain: it rejects more good parts than allowed at every T at which "
        "float keeps the limit"
    )
