"""The public training API: train on a folder of pictures in one call.

``from models import train`` imports these names; docs/reference/python-api.md describes them. The
command `python -m models.training` does the same work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from edge.errors import UsageError
from models.data.dataset import DataError
from models.ladder.budget import THIS, TimeBudget
from models.runs.run import Run
from models.training import auto
from models.training.device import AUTO, choose_device, usable_cores
from models.training.guidance import Wishes
from models.training.job import TrainingJob, run_job
from models.training.recipe import Recipe, load_recipe

__all__ = ["DataError", "Recipe", "TrainingRun", "load_recipe", "train"]


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A finished training, whose folder ``export_run`` takes.

    Attributes:
        folder: the folder of the run. Of several candidates it holds one run each, and stands for
            the recommended one.
        report: the HTML page that describes the run.
        method: the method that was trained, for instance "regression". Of several candidates, the
            recommended one.
        kinds: names of the kinds of defects.
        threshold: T, a severity above 0 and up to 12.
        metrics: figures of the whole chain on the held-back pictures, by name. A figure that cannot
            be counted is left out.
        candidates: the methods that were compared, best first; empty where one recipe was trained.
    """

    folder: Path
    report: Path
    method: str
    kinds: tuple[str, ...]
    threshold: float
    metrics: Mapping[str, float]
    candidates: tuple[str, ...] = ()


def train(
    data: str | os.PathLike[str],
    recipe: str | os.PathLike[str] | Recipe = auto.NAME,
    *,
    out: str | os.PathLike[str],
    groups: str | None = None,
    max_false_rejects: float | None = None,
    begin_from: str | os.PathLike[str] | None = None,
    budget_ms: float | None = None,
    target: str | os.PathLike[str] = THIS,
    teacher: str | os.PathLike[str] | None = None,
    threads: int = 0,
    device: str = AUTO,
) -> TrainingRun:
    """Train on a folder of pictures, choose T, evaluate on held-back pictures and write a report.

    Blocks for minutes to hours. A call that was killed or interrupted continues when it is made
    again with the same arguments. Only one training may run in a process at a time.

    Args:
        data: folder of pictures, with or without masks, in a supported layout.
        recipe: "auto", the name of a recipe in models/recipes, a .toml file, or a ``Recipe``.
            "auto" chooses the settings from the data. Where too few defects are annotated, it
            trains and compares methods that learn from good parts.
        out: folder of the run. It is created, or holds the run to continue.
        groups: regular expression on a picture's name. Its group ``part``, else its first group,
            names the physical part. Pictures of one part are never on both sides of the division.
        max_false_rejects: limit of the share of good parts that are rejected, 0 to 1. The run has
            the fewest escapes within it on its held-back parts. None keeps that of the recipe.
        begin_from: folder of a finished run whose network learns further, for instance with new
            marks. "auto" is then the recipe of this run.
        budget_ms: time for a frame, in milliseconds. The largest network that fits is trained. None
            keeps the network of the recipe.
        target: with budget_ms, the machine: "this", an estimate for "rpi4", "rpi5", "orin" or
            "n100", or the JSON of ``outfeed bench`` with a shipped bundle, made on a board.
        teacher: "largest" trains the largest network first, which then teaches the other one. A
            path names a finished run or a torch state file. None trains without a teacher.
        threads: processor cores to use; 0 for all that the process may use. torch's number of
            threads is restored afterwards.
        device: on which networks learn: "cpu", "cuda", "mps", or "auto" for a GPU where torch sees
            one. T, limits and figures are measured on the processor.

    Returns:
        The run, complete.

    Raises:
        DataError: the data or the recipe cannot be used, or ``out`` holds another run. The message
            is one line; of a folder with several faults it has one line for each.
        UsageError: ``max_false_rejects``, ``budget_ms``, ``teacher``, ``threads`` or ``device``
            cannot be used, or no network fits the budget.
        OSError: a file cannot be written.
        KeyboardInterrupt: the training was interrupted. Its state is saved.
    """
    if threads < 0:
        raise UsageError(f"threads is {threads}; expected 0 or more")
    if max_false_rejects is not None and not 0 < max_false_rejects < 1:
        raise UsageError(f"max_false_rejects is {max_false_rejects}; expected a share, 0 to 1")
    begun = None if begin_from is None else Run(Path(begin_from))
    wishes = Wishes(
        None if budget_ms is None else TimeBudget(budget_ms, os.fspath(target)),
        None if teacher is None else os.fspath(teacher),
    )
    job = TrainingJob(
        data=Path(data),
        out=Path(out),
        recipe=_settings(recipe),
        groups=groups,
        max_false_rejects=max_false_rejects,
        begun=begun,
        device=choose_device(device),
        wishes=wishes,
    )
    before = torch.get_num_threads()
    torch.set_num_threads(threads or usable_cores())
    try:
        done = run_job(job)
    finally:
        torch.set_num_threads(before)
    record, result, comparison = done.run.record(), done.run.result(), done.comparison
    return TrainingRun(
        folder=job.out,
        report=done.report,
        method=record.recipe.method,
        kinds=record.kinds,
        threshold=result.threshold,
        metrics=dict(result.metrics["float"]),
        candidates=tuple(each.method for each in comparison.candidates) if comparison else (),
    )


def _settings(recipe: str | os.PathLike[str] | Recipe) -> Recipe | None:
    """Return the recipe; None where it is chosen from the data. Raises DataError."""
    if isinstance(recipe, Recipe):
        return recipe
    name = os.fspath(recipe)
    return None if name == auto.NAME else load_recipe(name)
