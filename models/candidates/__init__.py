"""What `make train` does where too few defects are drawn: every method that can learn from what is
there, compared, and one of them recommended.

    OUT/METHOD/            a complete run of each candidate, for make export
    OUT/comparison.json    figures, and which run OUT itself stands for
    OUT/report.html        the comparison as one page
"""

from models.candidates.compare import run_plan
from models.candidates.plan import Plan, plan_for
from models.candidates.record import CandidateComparison

__all__ = ["CandidateComparison", "Plan", "plan_for", "run_plan"]
