"""`python -m models.report`: write RUN/report.html."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console

from models.data.dataset import DataError
from models.report.findings import Station
from models.report.write import MAX_FALSE_REJECTS, write_report
from models.run import Run
from models.tradeoff import parse_share


def main(
    run: Annotated[Path, typer.Option(help="Folder of a completed training run.")],
    results: Annotated[
        Path | None, typer.Option(help="results.jsonl of outfeed inspect, of the bundle.")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder that outfeed inspect --masks wrote.")
    ] = None,
    max_false_rejects: Annotated[
        str, typer.Option(help="Limit of good parts rejected, as 0.5%.")
    ] = f"{MAX_FALSE_REJECTS:.1%}",
) -> None:
    """Write one page of what was trained, how good it is, and what to photograph next."""
    console = Console()
    cv2.setNumThreads(1)
    try:
        if (results is None) != (masks is None):
            raise DataError("--results and --masks go together; expected both of them or neither")
        station = None if results is None or masks is None else Station(results, masks)
        limit = parse_share(max_false_rejects)
        path = write_report(Run(run), station=station, max_false_rejects=limit)
    except (DataError, OSError) as error:
        console.print(f"[red]report:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    console.print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
