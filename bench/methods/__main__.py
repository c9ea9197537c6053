"""Compare every method on every data set, in one command.

    python -m bench.methods --data ../magnetic_tile --data build/textures \
        --method template --method memory-bank --method lean --out runs/methods

A method is a recipe by its name in models/recipes, or a .toml. Each is trained and exported, and
its bundle inspects the validation pictures. Then the bundles of a data set are timed in turns on
one core, and inspect changed pictures.

Methods of good parts are trained on good parts alone and have no classifier. Their T rejects at
most 5 % of the good parts. Where no golden frame is rejected at that T, it is 20 or 50 %, and the
table states it. They are evaluated on all defective parts of which no good picture was trained on.
Methods that need masks are evaluated on their share of these parts.

OUT/tables.md has the tables, OUT/figures.jsonl their numbers. A method that cannot work on a data
set is named with its reason. Finished work is not repeated.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.jobs import Job, commands, last_error, work
from bench.methods.figures import RUN_LIMITS, MethodFigures
from bench.methods.measure import measure_robustness, score_job, time_jobs
from bench.methods.table import data_label, tables
from bench.timing import Turns, bind
from edge.files import write_atomically
from models.data.dataset import DataError
from models.methods.registry import METHODS
from models.runs.run import Run
from models.training.recipe import Recipe, as_toml, load_recipe

_TURNS = Turns(rounds=5, repeat=3, settle=1, turn_ms=2000.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """A method on a data set. seed: None for the seed of the recipe."""

    data: str
    seed: int | None
    method: str
    job: Job


def plan(
    data: list[Path], methods: list[str], share: float, out: Path, seeds: list[int] | None = None
) -> list[Cell]:
    """Return every method on every data set, and write the recipes to OUT/recipes.

    seeds: seeds of division and training; those of the recipes by default. Raises DataError, also
    where two data sets, methods or seeds have one name.
    """
    cells: list[Cell] = []
    folder = out / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    some: list[int | None] = [*seeds] if seeds else [None]
    for source, seed, name in product(data, some, methods):
        recipe = _without_defects(load_recipe(name))
        cut = {"validation_share": share} | ({} if seed is None else {"seed": seed})
        changed: dict[str, object] = {"split": recipe.split.model_copy(update=cut)}
        if seed is not None:
            changed["seed"] = seed
        method = Path(name).stem
        drawn = () if seed is None else (f"seed-{seed}",)
        run = "-".join((source.name, *drawn, method)).replace("_", "-")
        path = folder / f"{run}.toml"
        write_atomically(path, as_toml(recipe.model_copy(update=changed)))
        words = _limit_option(RUN_LIMITS[0]) if METHODS[recipe.method].good_only else ()
        cells.append(Cell(source.name, seed, method, Job(out / run, path, source, words)))
    names = [cell.job.folder for cell in cells]
    twice = {str(name.name) for name in names if names.count(name) > 1}
    if twice:
        raise DataError(f"{min(twice)}: two data sets, two methods or two seeds have one name")
    return cells


def _without_defects(recipe: Recipe) -> Recipe:
    """Return the recipe without access to defects, where its method learns from good parts.

    It then has no classifier, and its T is limited by false alarms on good parts.
    """
    if not METHODS[recipe.method].good_only:
        return recipe
    off = recipe.classifier.model_copy(update={"enabled": False})
    chain = recipe.chain.model_copy(update={"max_false_rejects": RUN_LIMITS[0], "threshold": None})
    split = recipe.split.model_copy(update={"good_only": True})
    return recipe.model_copy(update={"classifier": off, "chain": chain, "split": split})


def _limit_option(limit: float) -> tuple[str, str]:
    return "--max-false-rejects", f"{limit:.0%}"


def with_higher_limit(cells: list[Cell], limit: float) -> list[Cell]:
    """Return the trained cells without an export, with a T that rejects more good parts."""
    return [
        replace(cell, job=replace(cell.job, export=_limit_option(limit)))
        for cell in cells
        if cell.job.export
        and Run(cell.job.folder).result_path.exists()
        and not cell.job.bundle.exists()
    ]


def measure(cells: list[Cell], core: int) -> list[MethodFigures]:
    """Return the figures of finished cells, in their order. Blocks for minutes."""
    bind(core)
    measured: list[MethodFigures] = []
    for place in dict.fromkeys((cell.data, cell.seed) for cell in cells):
        some = [cell for cell in cells if (cell.data, cell.seed) == place]
        times = time_jobs([cell.job for cell in some], _TURNS)
        for cell, ms in zip(some, times, strict=True):
            each = score_job(cell.job, cell.data, cell.method)
            more = {"seed": cell.seed, "ms": ms, "kept": measure_robustness(cell.job)}
            measured.append(each.model_copy(update=more))
    return measured


def main(
    data: Annotated[list[Path], typer.Option(help="Folder of pictures; repeat.")],
    method: Annotated[list[str], typer.Option(help="Name of a recipe, or a .toml; repeat.")],
    out: Annotated[Path, typer.Option(help="Folder for the runs and tables.")],
    share: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="Share that is held back.")
    ] = 0.25,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            min=0, help="Seed of division and training; repeat. [default: that of the recipe]"
        ),
    ] = None,
    core: Annotated[
        list[int] | None, typer.Option(help="Core for one run at a time; repeat. [default: all]")
    ] = None,
) -> None:
    """Train, export, inspect, time and tabulate every method on every data set."""
    console = Console()
    cores = core or sorted(os.sched_getaffinity(0))
    try:
        cells = plan(data, method, share, out, seed)
    except (DataError, OSError) as error:
        console.print(f"[red]methods:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    work([cell.job for cell in cells], cores, console)
    for limit in RUN_LIMITS[1:]:
        work([cell.job for cell in with_higher_limit(cells, limit)], cores, console)
    done = [cell for cell in cells if not list(commands(cell.job))]
    left = [
        (data_label(cell.data, cell.seed), cell.method, last_error(cell.job))
        for cell in cells
        if cell not in done
    ]
    measured = measure(done, cores[0]) if done else []
    lines = [json.dumps(each.model_dump()) for each in measured]
    write_atomically(out / "figures.jsonl", "\n".join(lines) + "\n")
    write_atomically(out / "tables.md", tables(measured, left))
    console.print(f"see {out / 'tables.md'}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
