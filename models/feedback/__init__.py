"""From parts that people marked to a run that judges them rightly: the cheapest way first
(docs/decisions/0032-retraining-from-feedback.md)."""

from models.feedback.candidate_run import write_run
from models.feedback.dataset import Lesson, Marked
from models.feedback.routes import ROUTES, Candidate, Route, routes_of, take
from models.feedback.settings import Limits, Settings, Shortfall

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
