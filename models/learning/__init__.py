"""From parts that people marked to a run that judges them rightly: the cheapest way first
(docs/decisions/0032-learning-from-mistakes.md)."""

from models.learning.lesson import Lesson, Marked
from models.learning.rebuilt import write_run
from models.learning.routes import ROUTES, Candidate, Route, routes_of, take
from models.learning.settings import Limits, Settings, Shortfall

__all__ = [
    "ROUTES",
    "Candidate",
    "Lesson",
    "Limits",
    "Marked",
    "Route",
    "Settings",
    "Shortfall",
    "routes_of",
    "take",
    "write_run",
]
