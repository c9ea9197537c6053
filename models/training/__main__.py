"""`make train`: train on a folder of pictures; `make export` packs the run."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from edge.errors import OutfeedError, UsageError
from edge.terminals import tolerate
from edge.validation_messages import several_lines
from models.data.dataset import DataError
from models.evaluation.tradeoff import parse_share
from models.ladder.budget import THIS, TimeBudget
from models.runs.run import Run
from models.training import auto
from models.training.allocator import keep_freed_memory
from models.training.device import AUTO, TrainingDevice, choose_device, usable_cores
from models.training.guidance import Wishes
from models.training.interrupts import Interrupted, as_keyboard
from models.training.job import JobResult, TrainingJob, keep_result, run_job
from models.training.progress import announced
from models.training.recipe import load_recipe
from models.training.tables import print_comparison, print_line, print_run
from models.training.tracking import NAMES, TrackerName, tracked

_Data = Annotated[Path, typer.Option(help="Folder of pictures, with or without masks.")]
_Out = Annotated[Path, typer.Option(help="Folder of the run. An interrupted run continues.")]
_RecipeName = Annotated[
    str, typer.Option(help="'auto', a name in models/recipes, or a .toml file.")
]
_Groups = Annotated[
    str | None,
    typer.Option(help="Regular expression on names; its first group names the physical part."),
]
_MaxFalseRejects = Annotated[
    str,
    typer.Option(
        help="Limit of the share of good parts that are rejected, for instance 1%. By default "
        "that of the recipe, else 0.5%."
    ),
]
_From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Folder of a finished run, whose network learns further, for instance with new "
        "marks. By its recipe, unless one is named.",
    ),
]
_BudgetMs = Annotated[
    float | None,
    typer.Option(
        help="Train the largest network whose time for a frame fits so many milliseconds."
    ),
]
_Target = Annotated[
    str,
    typer.Option(
        help="With --budget-ms, the machine: 'this'; an estimate for rpi4, rpi5, orin or n100; or "
        "the JSON of `outfeed bench --json` with a shipped bundle, made on the board."
    ),
]
_Teacher = Annotated[
    str,
    typer.Option(
        help="Learn from a teacher beside the labels: 'largest' trains the largest network "
        "first, or the folder of a finished run, or a torch state of a ResNet, Wide ResNet or "
        "ViT."
    ),
]
_Threads = Annotated[int, typer.Option(min=0, help="Processor cores; 0 for all.")]
_Device = Annotated[
    str,
    typer.Option(
        help="Device on which networks learn: cpu, cuda, mps, or auto for a GPU where torch "
        "sees one."
    ),
]
_Track = Annotated[
    str,
    typer.Option(
        help="Keep losses and figures for 'tensorboard' (in OUT/tensorboard) or 'mlflow' (the "
        "server that MLFLOW_TRACKING_URI names, else OUT/mlflow.db)."
    ),
]


def main(
    data: _Data,
    out: _Out,
    recipe: _RecipeName = auto.NAME,
    groups: _Groups = None,
    max_false_rejects: _MaxFalseRejects = "",
    begun: _From = None,
    budget_ms: _BudgetMs = None,
    target: _Target = THIS,
    teacher: _Teacher = "",
    threads: _Threads = 0,
    device: _Device = AUTO,
    track: _Track = "",
) -> None:
    """Train a detector (and a classifier where defects are annotated), choose T and evaluate."""
    console, errors = Console(), Console(stderr=True)
    try:
        with as_keyboard():
            job = _job(data, out, recipe, groups, max_false_rejects)
            job = replace(
                job,
                device=_device(device),
                begun=Run(begun) if begun else None,
                wishes=_wishes(budget_ms, target, teacher),
            )
            out.mkdir(parents=True, exist_ok=True)
            _log_to(out / "train.log")
            # torch's default uses one thread for two hyper-threads, so half of the cores are idle.
            torch.set_num_threads(threads or usable_cores())
            keep_freed_memory()
            with announced(), tracked(_tracker(track), out) as tracker:
                done = run_job(job)
                if tracker is not None:
                    keep_result(tracker, done)
            _print(console, done, out)
    except (OutfeedError, OSError) as error:
        print_line(errors, f"train: {several_lines(error)}")
        sys.exit(error.exit_status if isinstance(error, OutfeedError) else 1)
    except KeyboardInterrupt as stop:
        print_line(errors, _stopped(stop, out))
        sys.exit(130)


def _print(console: Console, done: JobResult, out: Path) -> None:
    if done.comparison is not None:
        print_comparison(console, done.comparison, done.report, out)
    else:
        print_run(console, done.run, done.report, out)


def _job(
    data: Path, out: Path, recipe: str, groups: str | None, max_false_rejects: str
) -> TrainingJob:
    """Return the settings of the command line. Raises UsageError."""
    try:
        limit = parse_share(max_false_rejects) if max_false_rejects else None
        loaded = None if recipe == auto.NAME else load_recipe(recipe)
    except DataError as error:
        raise UsageError(str(error)) from error
    return TrainingJob(data, out, loaded, groups, limit)


def _wishes(budget_ms: float | None, target: str, teacher: str) -> Wishes:
    """Return the budget and the teacher of the command line. Raises UsageError."""
    if budget_ms is None and target != THIS:
        raise UsageError("--target: is for a budget; expected --budget-ms")
    budget = None if budget_ms is None else TimeBudget(budget_ms, target)
    return Wishes(budget, teacher or None)


def _device(name: str) -> TrainingDevice:
    """Return the device that --device names. Raises UsageError."""
    try:
        return choose_device(name)
    except UsageError as error:
        raise UsageError(f"--{error}") from error


def _tracker(name: str) -> TrackerName | None:
    """Return the library that --track names. Raises UsageError."""
    if not name:
        return None
    for known in NAMES:
        if name == known:
            return known
    raise UsageError(f"--track {name}: expected {' or '.join(NAMES)}")


def _log_to(path: Path) -> None:
    """Log to stderr and to a file."""
    handlers: list[logging.Handler] = [
        logging.StreamHandler(),
        logging.FileHandler(path, delay=True),
    ]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)


def _stopped(stop: KeyboardInterrupt, out: Path) -> str:
    """Return a message on the files that are kept of a training that was stopped."""
    if isinstance(stop, Interrupted):
        return f"stopped: {stop}; the same command goes on from there"
    if any(out.rglob("*.ckpt")) or any(out.rglob("result.json")):
        return f"stopped; the same command goes on from what is saved in {out}"
    return "stopped before anything was learned; the same command begins anew"


if __name__ == "__main__":
    tolerate()
    typer.run(main)
