"""Train every rung of the ladder and every other method, and plot accuracy against time.

    python -m bench.ladder --data ../magnetic_tile --seed 0 --seed 1 --out runs/ladder

Each rung and each reference is trained and exported to int8, and its bundle inspects the
validation pictures. All bundles of a data set and seed then take turns on one core. OUT/ladder.html
has, for each data set, a table and a plot of image AP and of pixel F1 against milliseconds.
OUT/figures.jsonl has the numbers. A method that cannot work on a data set is named with its reason.
Finished work is not repeated: the same command continues after a kill.

References learn from good parts alone, as in bench/methods. Their figures are on all defective
parts, and those of the rungs on the held-back ones.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated

import typer
from rich.console import Console

from bench.jobs import commands, last_error, work
from bench.methods.__main__ import Cell, plan
from bench.methods.figures import MethodFigures
from bench.methods.measure import score_job, time_jobs
from bench.methods.table import data_label
from bench.timing import Turns, bind
from edge.files import write_atomically
from models.data.dataset import DataError
from models.ladder.rungs import LADDER
from models.methods.registry import METHODS
from models.report import page
from models.report.plots import scatter_plot
from models.training.recipe import RECIPES

PAGE, FIGURES = "ladder.html", "figures.jsonl"
REFERENCES = tuple(
    name for name in METHODS if name != "regression" and (RECIPES / f"{name}.toml").is_file()
)
_TURNS = Turns(rounds=5, repeat=3, settle=1, turn_ms=2000.0)
_PLOTTED = (("image_ap", "image AP"), ("pixel_f1", "pixel F1 at T"))


@dataclass(frozen=True, slots=True)
class LadderPlace:
    """A method on a data set: mean and standard deviation of its figures over the seeds.

    None where a figure is not known, or for the deviation of one seed.
    """

    method: str
    seeds: int
    ms: float | None
    means: dict[str, float | None]
    deviations: dict[str, float | None]


def places(measured: Sequence[MethodFigures]) -> dict[str, tuple[LadderPlace, ...]]:
    """Return the methods of each data set, by its name, in their first order."""
    found: dict[str, dict[str, list[MethodFigures]]] = {}
    for each in measured:
        found.setdefault(each.data, {}).setdefault(each.method, []).append(each)
    return {
        data: tuple(_place(method, some) for method, some in methods.items())
        for data, methods in found.items()
    }


def _place(method: str, some: Sequence[MethodFigures]) -> LadderPlace:
    columns = {
        name: [value for each in some if (value := getattr(each, name)) is not None]
        for name in ("ms", *(name for name, _ in _PLOTTED))
    }
    means = {name: mean(values) if values else None for name, values in columns.items()}
    spreads = {name: stdev(values) if len(values) > 1 else None for name, values in columns.items()}
    return LadderPlace(method, len(some), means.pop("ms"), means, spreads)


def render(
    measured: Sequence[MethodFigures], left_out: Sequence[tuple[str, str, str]], about: str
) -> str:
    """Return the page as HTML. left_out: data set, method and the reason without a measurement."""
    sections = [page.section("How it was measured", page.paragraph(about))]
    for data, some in places(measured).items():
        rows = [
            (
                each.method,
                str(each.seeds),
                "–" if each.ms is None else f"{each.ms:.2f}",
                *(_figure(each.means[name], each.deviations[name]) for name, _ in _PLOTTED),
            )
            for each in some
        ]
        head = ("method", "seeds", "ms a frame", *(words for _, words in _PLOTTED))
        plots = [_plot(data, some, name, words) for name, words in _PLOTTED]
        sections.append(page.section(data, page.table(head, rows), *plots))
    if left_out:
        lines = [(f"{data}, {method}", reason) for data, method, reason in left_out]
        sections.append(page.section("Left out", page.bullets(lines)))
    return page.page("Accuracy against time", sections)


def _plot(data: str, some: Sequence[LadderPlace], name: str, words: str) -> str:
    points = [
        (each.method, each.ms, value)
        for each in some
        if each.ms is not None and (value := each.means[name]) is not None
    ]
    svg = scatter_plot(
        points,
        title=f"{data}: {words}",
        x_label="ms a frame, whole chain, one core",
        y_label=words,
        x_log=True,
        front=True,
    )
    return page.plot(svg, "Dashed: no method is both faster and more accurate.")


def _figure(value: float | None, deviation: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if deviation is None else f"{value:.3f} ± {deviation:.3f}"


def measure(cells: Sequence[Cell], core: int) -> list[MethodFigures]:
    """Return the figures of finished cells, in their order. Blocks for minutes."""
    bind(core)
    measured: list[MethodFigures] = []
    for place in dict.fromkeys((cell.data, cell.seed) for cell in cells):
        some = [cell for cell in cells if (cell.data, cell.seed) == place]
        for cell, ms in zip(some, time_jobs([cell.job for cell in some], _TURNS), strict=True):
            each = score_job(cell.job, cell.data, cell.method)
            measured.append(each.model_copy(update={"seed": cell.seed, "ms": ms}))
    return measured


def main(
    data: Annotated[list[Path], typer.Option(help="Folder of pictures; repeat.")],
    out: Annotated[Path, typer.Option(help="Folder for the runs and the page.")],
    rung: Annotated[
        list[str] | None,
        typer.Option(help="A recipe by name, or a .toml; repeat. [default: every rung]"),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="A recipe to compare with; repeat. '' for none. [default: all]"),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Seed of division and training; repeat. [default: 0]"),
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.05, max=0.9, help="Share that is held back.")
    ] = 0.25,
    core: Annotated[
        list[int] | None, typer.Option(help="Core for one run at a time; repeat. [default: all]")
    ] = None,
) -> None:
    """Train, export, inspect and time every rung and reference, and write the page."""
    console = Console()
    cores = core or sorted(os.sched_getaffinity(0))
    rungs = rung or [each.network for each in LADDER]
    others = [*REFERENCES] if reference is None else [name for name in reference if name]
    seeds = seed or [0]
    try:
        cells = plan(data, [*rungs, *others], share, out, seeds)
    except (DataError, OSError) as error:
        console.print(f"[red]ladder:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    # Seed by seed, so that a comparison that is interrupted has every network.
    cells.sort(key=lambda cell: cell.seed or 0)
    work([cell.job for cell in cells], cores, console)
    done = [cell for cell in cells if not list(commands(cell.job))]
    left = [
        (data_label(cell.data, cell.seed), cell.method, last_error(cell.job))
        for cell in cells
        if cell not in done
    ]
    measured = measure(done, cores[0]) if done else []
    write_atomically(
        out / FIGURES, "".join(f"{json.dumps(each.model_dump())}\n" for each in measured)
    )
    about = (
        f"Seeds {', '.join(map(str, seeds))}; {share:.0%} of the parts held back; bundles in int8 "
        "where the method has one; time on one core of this machine, all bundles in turns."
    )
    write_atomically(out / PAGE, render(measured, left, about))
    console.print(f"see {out / PAGE}", highlight=False, soft_wrap=True)
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    typer.run(main)
