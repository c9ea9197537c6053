"""What a line manager asks: how many bad parts get out, how many good ones are thrown away, and how
sure is that?

    python -m models.evaluation.tradeoff --run RUN [--max-false-rejects 0.5%]

Both shares over T, through the whole chain, on the run's validation pictures. A picture counts as a
part; where several pictures show one part, less is known than the intervals say.
"""

from models.evaluation.tradeoff.interval import interval, parts_to_prove
from models.evaluation.tradeoff.point import (
    Assurance,
    OperatingPoint,
    choose,
    operating_point,
    parse_share,
    require_good_in,
    within,
)
from models.evaluation.tradeoff.sweep import GRID, points_of, sweep, sweep_run

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
    "sweep",
    "sweep_run",
    "within",
]
