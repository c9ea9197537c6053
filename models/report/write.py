"""One self-contained page per run: RUN/report.html."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.files import write_atomically
from models.evaluation.metrics import PictureOutcome
from models.report import measured, page, sections
from models.report.findings import Findings, InspectResults, gather
from models.runs.run import Run
from models.training.progress import stage

REPORT = "report.html"
MAX_FALSE_REJECTS = 0.005  # the limit that is looked at where nobody names one


def write_report(
    run: Run,
    *,
    outcomes: Mapping[float, tuple[PictureOutcome, ...]] | None = None,
    station: InspectResults | None = None,
    max_false_rejects: float = MAX_FALSE_REJECTS,
) -> Path:
    """Write the report of a completed run into its folder; its path. Blocks for a minute or so.

    outcomes: what ``sweep_run`` of models.evaluation.tradeoff gave, to spare doing it again.
    station: what `outfeed inspect` reported of the validation pictures. max_false_rejects: a share
    of the good parts, 0 to 1. Raises DataError when the run is not complete or its data changed,
    and OSError.
    """
    path = run.folder / REPORT
    with stage(f"writing {path}"):
        findings = gather(run, max_false_rejects, outcomes=outcomes, station=station)
        with stage("drawing the figures"):
            write_atomically(path, render(findings))
    return path


def render(findings: Findings) -> str:
    """The page. Pure: equal findings give equal text."""
    return page.page(
        f"Training run {findings.name}",
        [
            make(findings)
            for make in (
                sections.summary,
                sections.next_pictures,
                sections.trained_on,
                measured.trade_off,
                measured.metrics,
                measured.threshold_search,
                measured.ranking,
                measured.confusion,
                sections.losses,
                sections.cases,
            )
        ],
    )
