"""From parts that people marked to a run that judges them rightly: the cheapest way first
(docs/decisions/0032-retraining-from-feedback.md)."""

from models.feedback.candidate_run import write_run
from models.feedback.dataset import FeedbackDataset, Marked
from models.feedback.routes import ROUTES, Route, RouteCandidate, routes_of, take
from models.feedback.settings import FeedbackSettings, Limits, Shortfall

__all__ = [
    "ROUTES",
    "FeedbackDataset",
    "FeedbackSettings",
    "Limits",
    "Marked",
    "Route",
    "RouteCandidate",
    "Shortfall",
    "routes_of",
    "take",
    "write_run",
]
