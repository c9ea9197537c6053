"""The page of a run: RUN/report.html, self-contained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.files import write_atomically
from models.evaluation.metrics import PictureOutcome
from models.evaluation.promise import MAX_FALSE_REJECTS
from models.report import measured, more_time, page, sections
from models.report.findings import Findings, InspectResults, gather
from models.runs.run import Run
from models.training.progress import stage

REPORT = "report.html"
PARTS_PER_SHIFT = 10_000


def write_report(
    run: Run,
    *,
    outcomes: Mapping[float, tuple[PictureOutcome, ...]] | None = None,
    station: InspectResults | None = None,
    max_false_rejects: float | None = None,
    parts_per_shift: int = PARTS_PER_SHIFT,
) -> Path:
    """Write the report of a completed run into its folder and return its path.

    Blocks for about a minute. outcomes: the result of ``sweep_run``, where it exists already.
    station: the output of `outfeed inspect` for the validation pictures. max_false_rejects: a share
    of the good parts, 0 to 1; None for the limit of the run. parts_per_shift: number of good parts
    for which false rejects are stated. Raises DataError where the run is not complete or its data
    has changed, and OSError.
    """
    path = run.folder / REPORT
    with stage(f"writing {path}"):
        limit = max_false_rejects or run.record().recipe.chain.limit or MAX_FALSE_REJECTS
        findings = gather(run, limit, parts_per_shift, outcomes=outcomes, station=station)
        with stage("drawing the figures"):
            write_atomically(path, render(findings))
    return path


def render(findings: Findings) -> str:
    """Return the page as HTML. Pure: equal findings give equal text."""
    return page.page(
        f"Training run {findings.name}",
        [
            make(findings)
            for make in (
                sections.summary,
                sections.next_pictures,
                sections.trained_on,
                measured.trade_off,
                more_time.what_more_time_buys,
                measured.metrics,
                measured.threshold_search,
                measured.ranking,
                measured.confusion,
                sections.losses,
                sections.cases,
            )
        ],
    )
