"""The comparison of methods that `make train` makes where too few defects are annotated.

Every method that can learn from the pictures is trained and measured, and one is recommended.

    OUT/METHOD/            a complete run of each candidate, for make export
    OUT/comparison.json    the figures, and the recommended run, for which OUT stands
    OUT/report.html        the comparison as one page
"""

from models.candidates.compare import run_plan
from models.candidates.plan import Plan, plan_for
from models.candidates.record import CandidateComparison

__all__ = ["CandidateComparison", "Plan", "plan_for", "run_plan"]
