"""Retraining from feedback: from marked parts to a run with right verdicts on them.

The routes are tried in the order of their cost (docs/decisions/0032-retraining-from-feedback.md).
"""

from models.feedback.candidate_run import write_run
from models.feedback.dataset import FeedbackDataset, Marked
from models.feedback.routes import ROUTES, Route, RouteCandidate, follow, routes_of
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
    "follow",
    "routes_of",
    "write_run",
]
