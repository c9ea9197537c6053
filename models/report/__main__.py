"""`python -m models.report`: write RUN/report.html."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from rich.markup import escape

from edge.terminals import tolerate
from edge.validation_messages import one_line
from models.data.dataset import DataError
from models.evaluation.tradeoff import parse_share, require_good_in
from models.report.findings import InspectResults
from models.report.write import MAX_FALSE_REJECTS, write_report
from models.runs.run import Run
from models.training.progress import announced


def main(
    run: Annotated[Path, typer.Option(help="Folder of a completed training run.")],
    results: Annotated[
        Path | None, typer.Option(help="results.jsonl of outfeed inspect, of the bundle.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder that outfeed inspect --masks wrote.")
    ] = None,
    max_false_rejects: Annotated[
        str, typer.Option(help=f"Limit of good parts rejected; {MAX_FALSE_REJECTS:.1%}.")
    ] = "",
) -> None:
    """Write one page of what was trained, how good it is, and what to photograph next."""
    console = Console()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cv2.setNumThreads(1)
    try:
        if (results is None) != (masks is None):
            raise DataError("--results and --masks go together; expected both of them or neither")
        station = None if results is None or masks is None else InspectResults(results, masks)
        limit = parse_share(max_false_rejects) if max_false_rejects else MAX_FALSE_REJECTS
        opened = Run(run)
        if max_false_rejects:
            among = f"{run}'s held-back pictures"
            require_good_in(opened.result().metrics.get("float", {}), among)
        with announced():
            path = write_report(opened, station=station, max_false_rejects=limit)
    except (DataError, OSError) as error:
        console.print(f"[red]report:[/] {escape(one_line(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("stopped; nothing is written")
        sys.exit(130)
    console.print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    tolerate()
    typer.run(main)
