"""One training as `make train` does it: check the data, train one run or compare several, report.

The command (models/training/__main__.py) and the Python API (models/api.py) both run this.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from models.candidates import CandidateComparison, plan_for, run_plan
from models.data.dataset import DataSet
from models.data.summary import account
from models.evaluation.promise import MAX_FALSE_REJECTS
from models.evaluation.tradeoff.point import require_good
from models.report import write_report
from models.report.write import REPORT
from models.runs.run import Run, open_data
from models.training import auto
from models.training.device import CPU, TrainingDevice
from models.training.progress import track
from models.training.recipe import Recipe, SplitRecipe, as_toml
from models.training.session import train_folder
from models.training.tracking import Tracker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """The settings of one training.

    Attributes:
        data: folder of pictures.
        out: folder of the run. A run that was interrupted there is continued.
        recipe: None chooses one from the data, or compares several methods where too few defects
            are annotated.
        groups: regular expression on a picture's name, in place of the recipe's split.groups.
        max_false_rejects: limit of the share of good parts that are rejected, 0 to 1; None keeps
            that of the recipe.
        begun: a finished run whose network learns further, by its recipe unless one is given.
        device: on which networks learn. It is no part of the run: another one may continue it.
    """

    data: Path
    out: Path
    recipe: Recipe | None = None
    groups: str | None = None
    max_false_rejects: float | None = None
    begun: Run | None = None
    device: TrainingDevice = CPU


@dataclass(frozen=True, slots=True)
class JobResult:
    """A finished training.

    Attributes:
        run: the run, or the recommended one of a comparison.
        report: the page that describes it.
        comparison: None where one recipe was trained.
    """

    run: Run
    report: Path
    comparison: CandidateComparison | None


def run_job(job: TrainingJob) -> JobResult:
    """Train and write the report. Block for minutes to hours; may be killed and called again.

    Raises DataError for data that cannot be trained on, OSError for files that cannot be written.
    """
    recipe = job.recipe
    if recipe is None and job.begun is not None:
        recipe = job.begun.record().recipe
    if recipe is not None:
        recipe = recipe.within(job.max_false_rejects)
    dataset = _check_data(job, recipe.split if recipe else SplitRecipe())
    if recipe is None:
        comparison = _compare(dataset, job)
        if comparison is not None:
            return JobResult(Run(job.out), job.out / REPORT, comparison)
    log.info("device %s", job.device)
    train_folder(
        job.data,
        recipe,
        job.out,
        job.groups,
        job.begun,
        job.max_false_rejects,
        device=job.device,
    )
    run = Run(job.out)
    return JobResult(run, write_report(run), None)


def keep_result(tracker: Tracker, done: JobResult) -> None:
    """Keep the recipe, the figures on the held-back pictures and the report of a training."""
    record, result = done.run.record(), done.run.result()
    tracker.settings({**record.recipe.keys(), "data": record.data}, as_toml(record.recipe))
    for chain, figures in result.metrics.items():
        for name, value in figures.items():
            tracker.scalar(f"{chain}/{name}", value, 0)
    for name in ("threshold", "reject_severity", "part_threshold", "training_s"):
        value = getattr(result, name)
        if value is not None:
            tracker.scalar(f"run/{name}", value, 0)
    tracker.artifact(done.report)


def _check_data(job: TrainingJob, settings: SplitRecipe) -> DataSet:
    """Return the data set, after a summary of it is logged and every picture and mask was read.

    Faults are thus reported before anything is trained. Raises DataError.
    """
    if job.groups is not None:
        settings = settings.model_copy(update={"groups": job.groups})
    dataset = open_data(job.data, settings)
    for line in account(dataset):
        log.info("data %s", line)
    if job.max_false_rejects is not None:
        require_good(sum(sample.is_good for sample in dataset.samples), str(job.data))
    dataset.verify(track(dataset.samples, "reading every picture and mask"))
    return dataset


def _compare(dataset: DataSet, job: TrainingJob) -> CandidateComparison | None:
    """Return the comparison of candidates; None where enough defects are annotated for regression.

    Raises DataError.
    """
    settings = auto.choose_split(dataset).model_copy(update={"groups": job.groups})
    limit = job.max_false_rejects or MAX_FALSE_REJECTS
    plan = plan_for(dataset, settings, limit)
    if plan is None:
        return None
    for warning in auto.series(dataset.samples):
        log.info("auto warning: %s", warning)
    log.info("device %s", job.device)
    return run_plan(job.data, job.out, plan, job.groups, limit, device=job.device)
