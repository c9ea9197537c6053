"""OUT/comparison.json: what the candidates did, and which of them is recommended."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from edge.bundle.manifest import DetectorKind
from edge.files import write_atomically
from models.runs.run import COMPARISON


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MethodCandidate(_Part):
    """One method's figures on the judged pictures.

    threshold: the run's T, which keeps the limit on held-back good parts; of regression, whose T
    comes from annotated defects, the lowest that does. escapes, false_rejects and painted_escapes
    are counted there; escapes is None without a bad picture, painted_escapes without a painted one.
    image_ap, image_auroc: of the bad
    ones against the good ones, None without a bad one; painted_auroc likewise. figure: the AUROC
    that candidates are ranked by, with the bounds within which 95 % of the resamples lie. behind:
    share of resamples in which the recommended one is better; None for itself. training_s: of the
    sitting that finished the run. ms_per_frame: the detector in float on one core, a picture of the
    usual size. size_bytes: of the trained detector in float.
    """

    method: DetectorKind
    training_s: float
    ms_per_frame: float
    size_bytes: int
    threshold: float
    escapes: int | None
    false_rejects: int
    painted_escapes: int | None
    image_ap: float | None
    image_auroc: float | None
    painted_auroc: float | None
    figure: float
    figure_low: float
    figure_high: float
    behind: float | None = None


class LeftOut(_Part):
    """A method that cannot work on the data, and why."""

    method: DetectorKind
    reason: str


class CandidateComparison(_Part):
    """candidates: the recommended one first, then by figure. limit: of false rejects, 0 to 1.

    good, bad, painted: judged pictures; good_parts, bad_parts: physical parts of them. ranked_by:
    'bad' where figure is of the bad pictures; 'painted and bad' where these are too few, or none.
    needed_good: good parts that would prove the limit with no more rejected. needed_bad: flaws, of
    the sort that figure is of, that would tell the first two candidates apart; None where they are
    told apart, or are alike.
    """

    reason: str
    data: str
    limit: float
    good: int
    good_parts: int
    bad: int
    bad_parts: int
    painted: int
    ranked_by: Literal["bad", "painted and bad"]
    recommended: DetectorKind
    candidates: tuple[MethodCandidate, ...]
    left_out: tuple[LeftOut, ...]
    needed_good: int
    needed_bad: int | None

    def write(self, folder: Path) -> Path:
        path = folder / COMPARISON
        write_atomically(path, self.model_dump_json(indent=1) + "\n")
        return path
