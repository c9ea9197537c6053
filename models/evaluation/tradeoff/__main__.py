"""`python -m models.evaluation.tradeoff`: print escapes and false rejects over T."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from rich.table import Table

from edge.errors import OutfeedError
from edge.terminals import tolerate
from edge.validation_messages import one_line
from models.evaluation.interval import share_of, span
from models.evaluation.tradeoff.point import OperatingPoint, choose, parse_share, require_good_in
from models.evaluation.tradeoff.sweep import points_of, sweep_run
from models.runs.run import Run
from models.training.progress import announced


def _show(console: Console, points: Sequence[OperatingPoint], marks: Mapping[float, str]) -> None:
    table = Table("T", "escapes", "95%", "false rejects", "95%", "mean IoU", "")
    for point in points:
        table.add_row(
            f"{point.threshold:g}",
            share_of(point.escapes, point.defective),
            span(point.escape_interval) if point.defective else "",
            share_of(point.false_rejects, point.good),
            span(point.false_reject_interval) if point.good else "",
            "–" if math.isnan(point.mean_iou) else f"{point.mean_iou:.3f}",
            marks.get(point.threshold, ""),
        )
    console.print(table)


def _print_line(console: Console, text: str) -> None:
    """Print text without markup, colours or line breaks."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def main(
    run: Annotated[Path, typer.Option(help="Folder of a completed training run.")],
    max_false_rejects: Annotated[
        str, typer.Option(help="Choose T within this share of false rejects, for instance 0.5%.")
    ] = "",
) -> None:
    """Print escapes and false rejects over T on the validation pictures, and the best T."""
    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    try:
        limit = parse_share(max_false_rejects) if max_false_rejects else None
        training_run = Run(run)
        result = training_run.result()
        if limit is not None:
            require_good_in(result.metrics.get("float", {}), f"{run}'s validation pictures")
        marks = {result.threshold: "the run's T"}
        with announced():
            points = points_of(sweep_run(training_run))
        _show(console, points, marks)
        if limit is not None:
            chosen = choose(points, limit)
            _print_line(console, str(chosen))
            _print_line(console, str(chosen.assurance(limit)))
    except (OutfeedError, OSError) as error:
        _print_line(Console(stderr=True), f"tradeoff: {one_line(error)}")
        sys.exit(error.exit_status if isinstance(error, OutfeedError) else 1)


if __name__ == "__main__":
    tolerate()
    typer.run(main)
