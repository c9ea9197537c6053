"""Train on a published set by its protocol, pack, and measure the bundle: `make benchmark`.

    python -m bench.public_sets --set kolektorsdd --data FOLDER --out runs/benchmark

The training side becomes a folder of links (OUT/SET/data), the only data of the training. T, the
rules and the best weights are selected on a held-back share of it. After the bundle is packed, the
test side is listed, read and measured through the chain of the station. The page
docs/benchmarks/public-sets.md describes each protocol.

OUT/SET/tables.md has the tables with the published figures, figures.jsonl the numbers,
escapes.svg the escapes by false rejects, and marked.svg the AUROC by the number of defective
pictures in training, where --marked gives several. scores.jsonl of each run has the score of each
test picture. Finished work is not repeated.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.jobs import commands, last_error, seconds, work
from bench.public_sets.figures import FoldFigures, PictureScore, known, read_scores
from bench.public_sets.fold import Protocol
from bench.public_sets.measure import measure_bundle
from bench.public_sets.plan import FoldRun, plan
from bench.public_sets.plot import escape_plot, marked_plot
from bench.public_sets.protocols import PROTOCOLS
from bench.public_sets.published import published
from bench.public_sets.tables import MEAN, tables
from bench.timing import bind
from edge.errors import OutfeedError, UsageError
from edge.files import write_atomically
from models.data.dataset import DataError
from models.training.device import AUTO, choose_device
from models.training.interrupts import as_keyboard

FIGURES, SCORES = "figures.json", "scores.jsonl"


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
    path = cell.job.folder / FIGURES
    if path.exists():
        text = path.read_text(encoding="utf-8")
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
            "marked": cell.marked,
            "remark": cell.fold.remark,
            "train_s": known(seconds(cell.job, "train")),
            **measured,
        }
    )
    lines = "".join(f"{each.model_dump_json()}\n" for each in scores)
    write_atomically(cell.job.folder / SCORES, lines)
    write_atomically(path, figures.model_dump_json(indent=1) + "\n")
    return figures


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
        label = f"{figures.recipe}, {figures.learns_from}"
        curves.setdefault(label, []).append(read_scores(folder / SCORES))
    if plot := escape_plot(protocol.title, curves):
        write_atomically(out / "escapes.svg", plot)
    if plot := marked_plot(protocol.title, measured):
        write_atomically(out / "marked.svg", plot)


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
    marked: Annotated[
        list[int] | None,
        typer.Option(
            min=0, help="Number of defective pictures in training; repeat. [default: all]"
        ),
    ] = None,
    core: Annotated[
        list[int] | None, typer.Option(help="Core for one run at a time; repeat. [default: all]")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Device on which networks learn: cpu, cuda, mps or auto.")
    ] = AUTO,
) -> None:
    """Train, pack, measure and tabulate recipes on a published set."""
    console = Console()
    try:
        if name not in PROTOCOLS:
            raise DataError(f"set {name!r}: is unknown; expected one of {', '.join(PROTOCOLS)}")
        if supervision not in ("", "good", "masks", "marks"):
            raise DataError(f"supervision {supervision!r}: expected good, masks or marks")
        check_cores(core or ())
        choose_device(device)
        protocol = PROTOCOLS[name]
        cells = plan(
            protocol,
            data,
            recipe or (),
            seed or [0],
            out / name,
            supervision=supervision or None,  # type: ignore[arg-type]
            categories=category or (),
            marked=marked or (),
        )
    except (OutfeedError, OSError) as error:
        line = f"{'--' * isinstance(error, UsageError)}{str(error).splitlines()[0]}"
        Console(stderr=True).print(f"benchmark: {line}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_status if isinstance(error, UsageError) else 1)
    cells = [replace(cell, job=replace(cell.job, device=device)) for cell in cells]
    complete = _complete(cells, protocol, core or sorted(os.sched_getaffinity(0)), console)
    console.print(f"see {out / name / 'tables.md'}", highlight=False, soft_wrap=True)
    sys.exit(0 if complete else 1)


def _complete(
    cells: Sequence[FoldRun], protocol: Protocol, cores: Sequence[int], console: Console
) -> bool:
    """Return what ``run`` returns. After Ctrl+C print one line and exit with status 130."""
    try:
        with as_keyboard():
            return run(cells, protocol, cores, console)
    except KeyboardInterrupt:
        folder = cells[0].job.folder.parent
        line = f"stopped; the same command goes on from what is saved in {folder}"
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)
        sys.exit(130)


if __name__ == "__main__":
    typer.run(main)
