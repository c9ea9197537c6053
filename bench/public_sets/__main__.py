"""Train on a published set by its protocol, pack, and measure the bundle: `make benchmark`.

    python -m bench.public_sets --set kolektorsdd --data FOLDER --out runs/benchmark

The training side becomes a folder of links (OUT/SET/data), the only data of the training. T, the
rules and the best weights are selected on a held-back share of it. After the bundle is packed, the
test side is listed, read and measured through the chain of the station. The page
docs/benchmarks/public-sets.md describes each protocol.

OUT/SET/tables.md has the tables with the published figures, figures.jsonl the numbers, and
escapes.svg the escapes by false rejects. scores.jsonl of each run has the score of each test
picture. Finished work is not repeated.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.jobs import Job, commands, seconds, work
from bench.public_sets.figures import FoldFigures, PictureScore, known, read_scores
from bench.public_sets.fold import Fold, Protocol, Supervision
from bench.public_sets.measure import measure_bundle
from bench.public_sets.plot import escape_plot
from bench.public_sets.protocols import PROTOCOLS
from bench.public_sets.published import published
from bench.public_sets.tables import MEAN, tables
from bench.public_sets.training_folder import write_training_folder
from bench.timing import bind
from edge.errors import OutfeedError
from edge.files import write_atomically
from models.data.dataset import DataError
from models.methods.registry import METHODS
from models.runs.run import RECORD
from models.training import auto
from models.training.recipe import Recipe, as_toml, load_recipe

FIGURES, SCORES = "figures.json", "scores.jsonl"
AUTO_SEED = 0  # the recipe that auto chooses has its own seed
USUAL_RECIPES: dict[Supervision, str] = {
    "good": "memory-bank",
    "masks": "lean",
    "marks": "memory-bank",
}


@dataclass(frozen=True, slots=True)
class FoldRun:
    """A recipe on a fold with one seed."""

    fold: Fold
    recipe: str
    supervision: Supervision
    seed: int
    job: Job

    @property
    def figures_path(self) -> Path:
        return self.job.folder / FIGURES


def plan(
    protocol: Protocol,
    data: Path,
    recipes: Sequence[str],
    seeds: Sequence[int],
    out: Path,
    *,
    supervision: Supervision | None = None,
    categories: Sequence[str] = (),
) -> list[FoldRun]:
    """Return every recipe, fold and seed; write the training sides and recipes below ``out``.

    recipes: names, "auto" as in `make train`, or .toml files; the usual one of the set if empty.
    supervision: None for what
    each recipe can use. categories: only folds of these names. Raises DataError.
    """
    folds = _chosen(protocol, data, categories)
    chosen = recipes or [USUAL_RECIPES[supervision or protocol.supervisions[0]]]
    cells: list[FoldRun] = []
    (out / "recipes").mkdir(parents=True, exist_ok=True)
    for fold in folds:
        for name in chosen:
            recipe = None if name == auto.NAME else load_recipe(name)
            if recipe is None and list(seeds) != [AUTO_SEED]:
                raise DataError(f"recipe auto: has no seed; expected --seed {AUTO_SEED} alone")
            learns_from = _supervision(protocol, recipe, supervision)
            folder = out / "data" / "-".join(filter(None, (fold.name, learns_from)))
            folder.parent.mkdir(parents=True, exist_ok=True)
            write_training_folder(fold.root, fold.train(), learns_from, folder)
            for seed in seeds:
                words = (fold.name, Path(name).stem, learns_from, f"seed-{seed}")
                run = "-".join(filter(None, words)).replace("_", "-")
                path = out / "recipes" / f"{run}.toml"
                if recipe is None:
                    path = Path(auto.NAME)
                job = Job(out / run, path, folder, inspect=False)
                if recipe is not None:
                    _write_recipe(job, as_toml(_seeded(recipe, seed)))
                cells.append(FoldRun(fold, Path(name).stem, learns_from, seed, job))
    names = [cell.job.folder.name for cell in cells]
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{min(twice)}: two recipes or two seeds have one name")
    return cells


def _chosen(protocol: Protocol, data: Path, categories: Sequence[str]) -> tuple[Fold, ...]:
    folds = protocol.folds(data)
    there = {fold.name for fold in folds}
    if missing := sorted(set(categories) - there):
        raise DataError(
            f"category {missing[0]}: is not in {data}; it has {', '.join(sorted(there))}"
        )
    return tuple(fold for fold in folds if not categories or fold.name in categories)


def _supervision(
    protocol: Protocol, recipe: Recipe | None, given: Supervision | None
) -> Supervision:
    """Return what a recipe learns from. Raises DataError where the set does not offer it."""
    offered = protocol.supervisions
    good_only = recipe is not None and METHODS[recipe.method].good_only
    wanted = given or ("good" if good_only else offered[0])
    if wanted not in offered:
        raise DataError(
            f"{protocol.name}: its training side offers {' and '.join(offered)}; {wanted} was asked"
        )
    return wanted


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    split = recipe.split.model_copy(update={"seed": seed})
    return recipe.model_copy(update={"seed": seed, "split": split})


def _write_recipe(job: Job, text: str) -> None:
    """Write the recipe of a run. Raises DataError where the run was begun with another one."""
    if (job.folder / RECORD).exists() and job.recipe.read_text(encoding="utf-8") != text:
        raise DataError(
            f"{job.folder}: was begun with another version of the recipe; delete it or name "
            "another OUT"
        )
    write_atomically(job.recipe, text)


def check_cores(cores: Sequence[int]) -> None:
    """Raise DataError for a core that this process may not use."""
    allowed = sorted(os.sched_getaffinity(0))
    for core in cores:
        if core not in allowed:
            raise DataError(f"core {core}: expected one of {', '.join(map(str, allowed))}")


def measure(cell: FoldRun, protocol: Protocol) -> FoldFigures:
    """Measure a packed bundle on its test side and store the figures in the folder of the run.

    Figures that are stored for the same bundle are returned. Raises OutfeedError.
    """
    if cell.figures_path.exists():
        text = cell.figures_path.read_text(encoding="utf-8")
        stored = FoldFigures.model_validate_json(text)
        if stored.bundle_sha256 == sha256(cell.job.bundle.read_bytes()).hexdigest():
            return stored
    measured, scores = measure_bundle(cell.job.bundle, cell.fold)
    figures = FoldFigures.model_validate(
        {
            "set": protocol.name,
            "category": cell.fold.name,
            "recipe": cell.recipe,
            "supervision": cell.supervision,
            "seed": cell.seed,
            "remark": cell.fold.remark,
            "train_s": known(seconds(cell.job, "train")),
            **measured,
        }
    )
    lines = "".join(f"{each.model_dump_json()}\n" for each in scores)
    write_atomically(cell.job.folder / SCORES, lines)
    write_atomically(cell.figures_path, figures.model_dump_json(indent=1) + "\n")
    return figures


def last_error(job: Job) -> str:
    """Return the last line of the log of a failed run."""
    try:
        lines = (job.folder / "job.log").read_text(encoding="utf-8").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "its log is empty"


def run(
    cells: Sequence[FoldRun], protocol: Protocol, cores: Sequence[int], console: Console
) -> bool:
    """Train, pack and measure all cells, and write the tables after each batch.

    A batch has one run for each core. Return true if every cell was measured. Blocks for hours.
    """
    left_out: list[tuple[str, str]] = []
    for start in range(0, len(cells), len(cores)):
        batch = cells[start : start + len(cores)]
        work([cell.job for cell in batch], cores, console)
        allowed = os.sched_getaffinity(0)
        bind(cores[0])
        for cell in batch:
            if reason := _measured(cell, protocol):
                left_out.append((cell.job.folder.name, reason))
        os.sched_setaffinity(0, allowed)
        write_results(cells[0].job.folder.parent, protocol, left_out)
    return not left_out


def _measured(cell: FoldRun, protocol: Protocol) -> str:
    """Measure a run and return "", or the reason why it cannot be measured."""
    if list(commands(cell.job)):
        return last_error(cell.job)
    try:
        measure(cell, protocol)
    except OutfeedError as error:
        return str(error).splitlines()[0]
    return ""


def write_results(out: Path, protocol: Protocol, left_out: Sequence[tuple[str, str]]) -> None:
    """Write the tables, numbers and plot of every measured run below ``out``.

    Runs of earlier commands are included, so that recipes and seeds can be added one by one.
    """
    stored = [
        (FoldFigures.model_validate_json(path.read_text(encoding="utf-8")), path.parent)
        for path in sorted(out.glob(f"*/{FIGURES}"))
    ]
    stored.sort(key=lambda each: (each[0].category, each[0].recipe, each[0].seed))
    measured = [figures for figures, _ in stored]
    categories = {MEAN, "", *(figures.category for figures in measured)}
    others = [e for e in published() if e.set == protocol.name and e.category in categories]
    lines = "".join(json.dumps(each.model_dump()) + "\n" for each in measured)
    write_atomically(out / "figures.jsonl", lines)
    write_atomically(out / "tables.md", tables(protocol, measured, others, left_out))
    curves: dict[str, list[tuple[PictureScore, ...]]] = {}
    for figures, folder in stored:
        label = f"{figures.recipe}, {figures.supervision}"
        curves.setdefault(label, []).append(read_scores(folder / SCORES))
    if plot := escape_plot(protocol.title, curves):
        write_atomically(out / "escapes.svg", plot)


def main(
    name: Annotated[str, typer.Option("--set", help=f"One of {', '.join(PROTOCOLS)}.")],
    data: Annotated[Path, typer.Option(help="Folder of your copy, as published.")],
    out: Annotated[Path, typer.Option(help="Folder for runs and tables, in a folder of the set.")],
    recipe: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a recipe, auto, or a .toml; repeat. [default: the usual one of the set]"
        ),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(min=0, help="Seed of training; repeat. [default: 0]")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Only this category or fold; repeat. [default: all]")
    ] = None,
    supervision: Annotated[
        str, typer.Option(help="good, masks or marks. [default: what the recipe can use]")
    ] = "",
    core: Annotated[
        list[int] | None, typer.Option(help="Core for one run at a time; repeat. [default: all]")
    ] = None,
) -> None:
    """Train, pack, measure and tabulate recipes on a published set."""
    console = Console()
    try:
        if name not in PROTOCOLS:
            raise DataError(f"set {name!r}: is unknown; expected one of {', '.join(PROTOCOLS)}")
        if supervision not in ("", "good", "masks", "marks"):
            raise DataError(f"supervision {supervision!r}: expected good, masks or marks")
        check_cores(core or ())
        protocol = PROTOCOLS[name]
        cells = plan(
            protocol,
            data,
            recipe or (),
            seed or [0],
            out / name,
            supervision=supervision or None,  # type: ignore[arg-type]
            categories=category or (),
        )
    except (DataError, OSError) as error:
        line = str(error).splitlines()[0]
        Console(stderr=True).print(f"benchmark: {line}", highlight=False, soft_wrap=True)
        sys.exit(1)
    complete = run(cells, protocol, core or sorted(os.sched_getaffinity(0)), console)
    console.print(f"see {out / name / 'tables.md'}", highlight=False, soft_wrap=True)
    sys.exit(0 if complete else 1)


if __name__ == "__main__":
    typer.run(main)
