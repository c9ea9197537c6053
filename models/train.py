"""`make train`: from a folder of pictures to a run that `make export` can pack."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from models import auto
from models.data.dataset import DataError
from models.recipe import load_recipe
from models.report import write_report
from models.run import Run
from models.training import train

__all__ = ["print_metrics", "train"]


def print_metrics(console: Console, metrics: dict[str, dict[str, float]]) -> None:
    """A table with a column per chain."""
    table = Table("metric", *metrics)
    for name in dict.fromkeys(name for values in metrics.values() for name in values):
        table.add_row(name, *(_cell(values.get(name)) for values in metrics.values()))
    console.print(table)


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures and masks.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; taken up where it was left.")],
    recipe: Annotated[
        str, typer.Option(help="'auto', a name in models/recipes, or a .toml file.")
    ] = auto.NAME,
    groups: Annotated[
        str | None,
        typer.Option(help="Regular expression; its first group is the part a picture shows."),
    ] = None,
    threads: Annotated[int, typer.Option(help="Cores to use; 0 for all.")] = 0,
) -> None:
    """Train detector and classifier on annotated pictures, search T, and evaluate."""
    console = Console()
    try:
        loaded = None if recipe == auto.NAME else load_recipe(recipe)
        out.mkdir(parents=True, exist_ok=True)
        handlers: list[logging.Handler] = [
            logging.StreamHandler(),
            logging.FileHandler(out / "train.log"),
        ]
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)
        # torch's own default counts hyper-threads as half a core and leaves them idle.
        torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
        result = train(data, loaded, out, groups)
        report = write_report(Run(out))
    except (DataError, OSError) as error:
        console.print(f"[red]train:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print(f"stopped; the same command goes on from the last checkpoint in {out}")
        sys.exit(130)
    print_metrics(console, result.metrics)
    console.print(f"T = {result.threshold:.1f}. See {report}. Next: make export RUN={out}")


if __name__ == "__main__":
    typer.run(main)
