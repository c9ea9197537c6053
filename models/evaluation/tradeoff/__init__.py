"""Escapes and false rejects for each threshold, with their intervals.

    python -m models.evaluation.tradeoff --run RUN [--max-false-rejects 0.5%]

Both shares are computed for every T through the whole chain, on the run's validation pictures. A
picture counts as a part. Where several pictures show one part, the true intervals are wider than
these.
"""

from models.evaluation.interval import interval, parts_to_prove
from models.evaluation.tradeoff.point import (
    Assurance,
    OperatingPoint,
    choose,
    operating_point,
    parse_share,
    require_good_in,
    within,
)
from models.evaluation.tradeoff.sweep import (
    GRID,
    points_of,
    severity_points,
    sweep,
    sweep_run,
    sweep_severities,
)

__all__ = [
    "GRID",
    "Assurance",
    "OperatingPoint",
    "choose",
    "interval",
    "operating_point",
    "parse_share",
    "parts_to_prove",
    "points_of",
    "require_good_in",
    "severity_points",
    "sweep",
    "sweep_run",
    "sweep_severities",
    "within",
]
