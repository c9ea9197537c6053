"""Every method on every data set, in one command.

    python -m bench.methods --data ../magnetic_tile --data build/textures \
        --method template --method memory --method lean --out runs/methods

A method is a recipe by its name in models/recipes, or a .toml. Each is trained, exported, and its
bundle inspects the validation pictures; then the bundles of a data set are timed in turns on one
core, and shown changed pictures. Methods that learn from good parts see no others, have no
classifier, take T where at most 5 % of the good parts are rejected (20 or 50 % where no golden
frame is rejected at that; then the table says so), and are judged on all defective parts of which
no good picture was trained on; those that need masks on their share of them.
OUT/tables.md has the tables, OUT/figures.jsonl their numbers. A method that cannot work on a data
set is named with its reason. What is finished is not done again.
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

from bench.jobs import Job, commands, work
from bench.methods.figures import RUN_LIMITS, Figures
from bench.methods.measure import bears, score_job, time_jobs
from bench.methods.table import shown, tables
from bench.timing import Turns, bind
from models.data.dataset import DataError
from models.methods.registry import METHODS
from models.runs.files import write_whole
from models.runs.run import Run
from models.training.recipe import Recipe, as_toml, load_recipe

_TURNS = Turns(rounds=5, repeat=3, settle=1, turn_ms=2000.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """A method on a data set. seed: None for the recipe's own."""

    data: str
    seed: int | None
    method: str
    job: Job


def plan(
    data: list[Path], methods: list[str], share: float, out: Path, seeds: list[int] | None = None
) -> list[Cell]:
    """Every method on every data set; the recipes are written to OUT/recipes. seeds: of the
    division and of the training; the recipes' own without. Raises DataError, also where two data
    sets, methods or seeds have one name."""
    cells: list[Cell] = []
    folder = out / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    some: list[int | None] = [*seeds] if seeds else [None]
    for source, seed, name in product(data, some, methods):
        recipe = _alone(load_recipe(name))
        cut = {"validation_share": share} | ({} if seed is None else {"seed": seed})
        changed: dict[str, object] = {"split": recipe.split.model_copy(update=cut)}
        if seed is not None:
            changed["seed"] = seed
        method = Path(name).stem
        drawn = () if seed is None else (f"seed-{seed}",)
        run = "-".join((source.name, *drawn, method)).replace("_", "-")
        path = folder / f"{run}.toml"
        write_whole(path, as_toml(recipe.model_copy(update=changed)))
        words = _within(RUN_LIMITS[0]) if METHODS[recipe.method].good_only else ()
        cells.append(Cell(source.name, seed, method, Job(out / run, path, source, words)))
    names = [cell.job.folder for cell in cells]
    twice = {str(name.name) for name in names if names.count(name) > 1}
    if twice:
        raise DataError(f"{min(twice)}: two data sets, two methods or two seeds of one name")
    return cells


def _alone(recipe: Recipe) -> Recipe:
    """Of a method that learns from good parts nothing knows a defect: no classifier, and T within
    a limit of false alarms on good parts."""
    if not METHODS[recipe.method].good_only:
        return recipe
    off = recipe.classifier.model_copy(update={"enabled": False})
    chain = recipe.chain.model_copy(update={"max_false_rejects": RUN_LIMITS[0], "threshold": None})
    split = recipe.split.model_copy(update={"good_only": True})
    return recipe.model_copy(update={"classifier": off, "chain": chain, "split": split})


def _within(limit: float) -> tuple[str, str]:
    return "--max-false-rejects", f"{limit:.0%}"


def loosened(cells: list[Cell], limit: float) -> list[Cell]:
    """Those that were trained and not exported, with a T at which more good parts are rejected."""
    return [
        replace(cell, job=replace(cell.job, export=_within(limit)))
        for cell in cells
        if cell.job.export
        and Run(cell.job.folder).result_path.exists()
        and not cell.job.bundle.exists()
    ]


def measure(cells: list[Cell], core: int) -> list[Figures]:
    """Of the cells that are done, in their order. Blocks for minutes."""
    bind(core)
    found: list[Figures] = []
    for place in dict.fromkeys((cell.data, cell.seed) for cell in cells):
        some = [cell for cell in cells if (cell.data, cell.seed) == place]
        times = time_jobs([cell.job for cell in some], _TURNS)
        for cell, ms in zip(some, times, strict=True):
            each = score_job(cell.job, cell.data, cell.method)
            more = {"seed": cell.seed, "ms": ms, "kept": bears(cell.job)}
            found.append(each.model_copy(update=more))
    return found


def why(job: Job) -> str:
    """The last words of a run that failed."""
    try:
        lines = (job.folder / "job.log").read_text(encoding="utf-8").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it left no word"


def main(
    data: Annotated[list[Path], typer.Option(help="A folder of pictures; repeat.")],
    method: Annotated[list[str], typer.Option(help="A recipe's name, or a .toml; repeat.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs and tables.")],
    share: Annotated[float, typer.Option(min=0.05, max=0.9, help="Share held back.")] = 0.25,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Of the division and the training; repeat. The recipes'."),
    ] = None,
    core: Annotated[
        list[int] | None, typer.Option(help="Cores to use, one run on each; all.")
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
        work([cell.job for cell in loosened(cells, limit)], cores, console)
    done = [cell for cell in cells if not list(commands(cell.job))]
    left = [
        (shown(cell.data, cell.seed), cell.method, why(cell.job))
        for cell in cells
        if cell not in done
    ]
    found = measure(done, cores[0]) if done else []
    lines = [json.dumps(each.model_dump()) for each in found]
    write_whole(out / "figures.jsonl", "\n".join(lines) + "\n")
    write_whole(out / "tables.md", tables(found, left))
    console.print(f"see {out / 'tables.md'}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
