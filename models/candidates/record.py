"""OUT/comparison.json: the figures of the candidates, and the recommended one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from edge.bundle.kinds import DetectorKind
from edge.files import write_atomically
from models.runs.run import COMPARISON


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MethodCandidate(_Part):
    """The figures of one method on the pictures of the comparison.

    Attributes:
        method: the method.
        training_s: duration of the call that completed the run, in seconds.
        ms_per_frame: time of the float detector on one core, for a picture of median size.
        size_bytes: size of the trained float detector.
        threshold: the severity that decides, searched within the limit on held-back good parts: T,
            or the reject severity of regression, or the part threshold of a decision head.
        escapes: bad pictures passed at T; None without a bad picture.
        false_rejects: good pictures rejected at T.
        synthetic_escapes: synthetic defects passed at T; None without one.
        image_ap: average precision of bad against good pictures; None without a bad one.
        image_auroc: AUROC of bad against good pictures; None without a bad one.
        synthetic_auroc: AUROC of synthetic defects against good pictures; None without one.
        figure: the AUROC by which candidates are ranked.
        figure_low: lower bound of figure; 95 % of the resamples lie between the bounds.
        figure_high: upper bound of figure.
        behind: share of resamples in which the recommended candidate is better; None for itself.
    """

    method: DetectorKind
    training_s: float
    ms_per_frame: float
    size_bytes: int
    threshold: float
    escapes: int | None
    false_rejects: int
    synthetic_escapes: int | None
    image_ap: float | None
    image_auroc: float | None
    synthetic_auroc: float | None
    figure: float
    figure_low: float
    figure_high: float
    behind: float | None = None


class LeftOut(_Part):
    """A method that cannot work on the data, and the reason."""

    method: DetectorKind
    reason: str


class CandidateComparison(_Part):
    """The comparison of all candidates.

    Attributes:
        reason: one line on why several methods were compared.
        data: the data folder.
        limit: limit of false rejects, 0 to 1.
        good: number of good pictures in the comparison.
        good_parts: number of physical parts among them.
        bad: number of bad pictures.
        bad_parts: number of physical parts among them.
        synthetic: number of pictures with a synthetic defect.
        ranked_by: "bad" where figure uses the bad pictures; "synthetic and bad" where too few parts
            are bad.
        recommended: method of the recommended candidate.
        candidates: the candidates, the recommended one first, then by figure.
        left_out: methods that cannot work on the data.
        needed_good: number of good parts that would prove the limit with no further false reject.
        needed_bad: number of defects, of the sort that figure uses, that would show which of the
            first two candidates is better. None where that is already clear, or where they are
            equally good.
    """

    reason: str
    data: str
    limit: float
    good: int
    good_parts: int
    bad: int
    bad_parts: int
    synthetic: int
    ranked_by: Literal["bad", "synthetic and bad"]
    recommended: DetectorKind
    candidates: tuple[MethodCandidate, ...]
    left_out: tuple[LeftOut, ...]
    needed_good: int
    needed_bad: int | None

    def write(self, folder: Path) -> Path:
        """Write comparison.json into a folder, whole or not at all, and return its path."""
        path = folder / COMPARISON
        write_atomically(path, self.model_dump_json(indent=1) + "\n")
        return path
