"""The time budget and the teacher that a user asks for beside the recipe."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from edge.errors import UsageError
from models.data.dataset import DataSet, read_pixels
from models.distillation.opening import check_teacher, open_teacher
from models.distillation.teacher import Guide
from models.ladder.budget import Frames, TimeBudget, choose, lines
from models.ladder.record import BudgetRecord
from models.methods.registry import METHODS
from models.runs.preparation import Preparation
from models.training.patches import load_pictures
from models.training.progress import stage, track
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

LARGEST_NAME = "largest"  # as a teacher: the largest rung, trained first
TEACHER_FOLDER = "teacher"
LADDER_FOLDER = "ladder"
MOST_READ = 200  # pictures whose size is read, evenly spread


@dataclass(frozen=True, slots=True)
class Wishes:
    """The time budget and the teacher of one training.

    teacher: "largest" for a run of the largest rung that is trained first, or a path; None without
    a teacher.
    """

    budget: TimeBudget | None = None
    teacher: str | None = None

    def check(self, recipe: Recipe | None, *, continues: bool = False) -> None:
        """Check a recipe that was named. Raises UsageError where a wish cannot be met with it.

        continues: the training begins from the network of an earlier run.
        """
        if continues and (self.budget is not None or self.teacher is not None):
            raise UsageError(
                "a training that begins from an earlier run keeps its network; expected no budget "
                "and no teacher"
            )
        if recipe is None:
            return
        if self.budget is not None and recipe.method != "regression":
            raise UsageError(
                f"a budget chooses a network of regression; the recipe {recipe.name} is of "
                f"{recipe.method}"
            )
        if self.teacher is not None and not METHODS[recipe.method].distils:
            raise UsageError(f"the method {recipe.method} cannot learn from a teacher")
        if self.teacher is not None and recipe.decides:
            raise UsageError(
                f"a teacher is for networks without a decision head; the recipe {recipe.name} has "
                "one"
            )


def choose_rung(budget: TimeBudget, dataset: DataSet, out: Path) -> BudgetRecord:
    """Time the ladder for the pictures of a data set, and return the choice. Blocks for minutes.

    out: folder of the run, which keeps the times. Raises UsageError where no rung fits, and
    DataError.
    """
    frames = frames_of(dataset)
    with stage("timing the networks of the ladder"):
        record = choose(budget, frames, out / LADDER_FOLDER)
    for line in lines(record):
        log.info("budget %s", line)
    return record


def frames_of(dataset: DataSet) -> Frames:
    """Return the size that 95 % of the pictures do not exceed, and what else decides the time."""
    step = -(-len(dataset.samples) // MOST_READ)
    some = dataset.samples[::step]
    shapes = [
        read_pixels(sample.image_path).shape[:2] for sample in track(some, "reading picture sizes")
    ]
    height, width = (
        sorted(sides)[min(int(0.95 * len(sides)), len(sides) - 1)]
        for sides in zip(*shapes, strict=True)
    )
    return Frames(max(height, 16), max(width, 16), dataset.channels, max(len(dataset.kinds), 1))


def guided(prepared: Preparation, teacher: str, out: Path) -> Preparation:
    """Return the preparation with a teacher, and the pictures without masks that it teaches on.

    A picture without a mask is left out where it shows a part that is held back. Raises DataError
    for a teacher that cannot be used.
    """
    path = out / TEACHER_FOLDER if teacher == LARGEST_NAME else Path(teacher)
    found, record = open_teacher(path)
    if record.kind == "run":
        check_teacher(path, prepared.record)
    held = {picture.sample.group for picture in prepared.held_back}
    names = set(prepared.record.unmasked)
    samples = tuple(
        sample
        for sample in prepared.dataset.samples
        if sample.name in names and sample.group not in held
    )
    log.info(
        "teacher %s: %s, %s pictures without masks", record.name, record.architecture, len(samples)
    )
    guide = Guide(found, load_pictures(prepared.dataset, samples))
    changed = prepared.record.model_copy(update={"teacher": record})
    return replace(prepared, record=changed, guide=guide)
