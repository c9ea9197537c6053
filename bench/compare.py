"""Compare networks on your own data, with the same minutes of training and the same split.

    python -m bench.compare --data ../magnetic_tile --data ../crackforest,share=0.2,minutes=4 \
        --recipe paper --recipe lean --recipe nano --seeds 3 --minutes 7 --out runs/compare

Every run is trained and exported to int8, and `outfeed inspect` inspects its validation pictures.
tables.md then compares float with the station. A network gets as many steps as its training makes
in the minutes on one core of this machine, at most those of its recipe. The steps are measured
before the first run and written to OUT/recipes, so that a run can be repeated. Each core has one
run at a time. Finished work is not repeated: the same command continues after a kill.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from bench.jobs import Job, commands, work
from edge.files import write_atomically
from models.data.dataset import DataError
from models.data.split import split
from models.runs.run import open_data
from models.training.detector import train_detector
from models.training.patches import load_pictures
from models.training.recipe import Recipe, as_toml, load_recipe

# The time of a step is the difference of the last two trials, divided by the difference of their
# steps. The first trial only warms up, because the first steps of the libraries are slow.
TRIAL_STEPS = (2, 2, 22)


@dataclass(frozen=True, slots=True)
class DataSource:
    """Data to train on, the share that is held back, and the minutes of a detector's training."""

    folder: Path
    share: float
    minutes: float


def parse_source(text: str, share: float, minutes: float) -> DataSource:
    """Read ``FOLDER[,share=0.2][,minutes=4]``. Raises DataError with one line."""
    folder, *settings = text.split(",")
    source = DataSource(Path(folder), share, minutes)
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if key not in ("share", "minutes") or not number > 0 or (key == "share" and number >= 1):
            raise DataError(f"--data {text}: {setting!r}; expected share=0.2 or minutes=4")
        source = (
            replace(source, share=number) if key == "share" else replace(source, minutes=number)
        )
    return source


def fit_steps(recipe: Recipe, source: DataSource) -> int:
    """Return the steps that the detector's training makes in the source's minutes on one core.

    The result is at most the steps of the recipe. Trains a few steps to measure. Raises DataError.
    """
    dataset = open_data(source.folder, recipe.split)
    divided = split(dataset, recipe.split.validation_share, recipe.split.seed)
    pictures = load_pictures(dataset, divided.train)
    durations_s = []
    for steps in TRIAL_STEPS:
        detector = recipe.detector.model_copy(update={"steps": steps, "checks": 0})
        trial = recipe.model_copy(update={"detector": detector})
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            train_detector(
                pictures, dataset.kinds, dataset.channels, trial, Path(folder) / "trial.ckpt"
            )
            durations_s.append(time.perf_counter() - started)
    step_s = max(durations_s[-1] - durations_s[-2], 1e-3) / (TRIAL_STEPS[-1] - TRIAL_STEPS[-2])
    return max(1, min(recipe.detector.steps, int(source.minutes * 60 / step_s)))


def plan(sources: Sequence[DataSource], recipes: Sequence[str], seeds: int, out: Path) -> list[Job]:
    """Return the runs, seed by seed, so that an interrupted comparison has every network.

    Writes recipes to OUT/recipes where they do not exist yet. Raises DataError.
    """
    folder = out / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for seed in range(seeds):
        for source in sources:
            for name in recipes:
                run = f"{source.folder.name}-{Path(name).stem}-{seed}".replace("_", "-")
                path = folder / f"{run}.toml"
                if not path.exists():
                    first = path.with_name(path.name.removesuffix(f"{seed}.toml") + "0.toml")
                    if seed:
                        made = load_recipe(str(first)).model_copy(update={"seed": seed})
                    else:
                        made = _with_steps(load_recipe(name), source)
                    write_atomically(path, as_toml(made))
                jobs.append(Job(out / run, path, source.folder))
    return jobs


def _with_steps(base: Recipe, source: DataSource) -> Recipe:
    cut = base.split.model_copy(update={"validation_share": source.share})
    base = base.model_copy(update={"split": cut})
    detector = base.detector.model_copy(update={"steps": fit_steps(base, source)})
    return base.model_copy(update={"detector": detector})


def main(
    data: Annotated[list[str], typer.Option(help="FOLDER[,share=0.2][,minutes=4]; repeat.")],
    recipe: Annotated[
        list[str], typer.Option(help="A name in models/recipes, or a .toml; repeat.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the runs, recipes and tables.")],
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each network on each data.")] = 3,
    share: Annotated[float, typer.Option(help="Share of the parts that is held back.")] = 0.25,
    minutes: Annotated[
        float, typer.Option(help="Minutes of a detector's training, on one core.")
    ] = 7.0,
    core: Annotated[
        list[int] | None, typer.Option(help="Core for one run at a time; repeat. [default: all]")
    ] = None,
) -> None:
    """Train, export, inspect and tabulate every network on every data set."""
    console = Console()
    cores = core or sorted(os.sched_getaffinity(0))
    torch.set_num_threads(1)
    try:
        sources = [parse_source(text, share, minutes) for text in data]
        jobs = plan(sources, recipe, seeds, out)
    except (DataError, OSError) as error:
        console.print(f"[red]compare:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    failed = work(jobs, cores, console)
    done = [job for job in jobs if not list(commands(job))]
    words = [sys.executable, "-m", "bench.papertables", "--out", str(out / "tables")]
    for job in done:
        words += ["--run", str(job.folder), "--results", str(job.results)]
        words += ["--masks", str(job.masks)]
    if done and subprocess.run(words, check=False).returncode:
        failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    typer.run(main)
