"""`python -m models.report`: write the page of a run, or one that compares two runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console

from edge.errors import OutfeedError, UsageError
from edge.terminals import tolerate
from edge.validation_messages import one_line
from models.evaluation.tradeoff import parse_share, require_good_in
from models.report.findings import InspectResults
from models.report.side_by_side import write_side_by_side
from models.report.write import PARTS_PER_SHIFT, write_report
from models.runs.run import Run
from models.training.progress import announced

COMPARED = "compared.html"


def _print_line(console: Console, text: str) -> None:
    """Print text without markup, colours or line breaks."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _compare(runs: Sequence[Path], out: Path | None) -> Path:
    """Write the page that compares two runs, and return its path. Raises UsageError, DataError."""
    if len(runs) > 2:
        raise UsageError(f"{len(runs)} runs are named; expected one, or two to compare")
    first, second = (Run(each) for each in runs)
    with announced():
        return write_side_by_side(first, second, out or second.folder / COMPARED)


def main(
    run: Annotated[
        list[Path],
        typer.Option(help="Folder of a completed training run; name two to compare them."),
    ],
    results: Annotated[
        Path | None, typer.Option(help="results.jsonl that outfeed inspect wrote with the bundle.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder that outfeed inspect --masks wrote.")
    ] = None,
    max_false_rejects: Annotated[
        str, typer.Option(help="Limit of false rejects; by default that of the run.")
    ] = "",
    parts_per_shift: Annotated[
        int, typer.Option(min=1, help="Good parts of a shift, for which false rejects are stated.")
    ] = PARTS_PER_SHIFT,
    out: Annotated[
        Path | None,
        typer.Option(help="Page of a comparison. [default: compared.html in the second run]"),
    ] = None,
) -> None:
    """Write a page on the data, the results of the training, and the pictures to take next.

    With two runs, write a page on what each finds and the other does not.
    """
    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    try:
        if len(run) > 1:
            if results or masks or max_false_rejects:
                raise UsageError("two runs are compared without other options than --out")
            path = _compare(run, out)
            _print_line(console, f"{path}: {path.stat().st_size / 1e6:.1f} MB")
            return
        if out is not None:
            raise UsageError("--out is for a comparison; expected two runs")
        if (results is None) != (masks is None):
            raise UsageError("expected both --results and --masks, or neither")
        station = None if results is None or masks is None else InspectResults(results, masks)
        limit = parse_share(max_false_rejects) if max_false_rejects else None
        training_run = Run(run[0])
        if max_false_rejects:
            among = f"{run[0]}'s held-back pictures"
            require_good_in(training_run.result().metrics.get("float", {}), among)
        with announced():
            path = write_report(
                training_run,
                station=station,
                max_false_rejects=limit,
                parts_per_shift=parts_per_shift,
            )
    except (OutfeedError, OSError) as error:
        _print_line(Console(stderr=True), f"report: {one_line(error)}")
        sys.exit(error.exit_status if isinstance(error, OutfeedError) else 1)
    except KeyboardInterrupt:
        _print_line(Console(stderr=True), "report: stopped by the user; no page is written")
        sys.exit(130)
    _print_line(console, f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    tolerate()
    typer.run(main)
