"""One training as `make train` does it: check the data, train one run or compare several, report.

The command (models/training/__main__.py) and the Python API (models/api.py) both run this.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from edge.errors import UsageError
from models.candidates import CandidateComparison, Plan, plan_for, run_plan
from models.candidates.plan import within_budget
from models.data.dataset import DataSet
from models.data.summary import account
from models.evaluation.promise import MAX_FALSE_REJECTS
from models.evaluation.tradeoff.point import require_good
from models.ladder.record import BudgetRecord
from models.ladder.rungs import LARGEST, with_network
from models.methods.registry import METHODS
from models.report import write_report
from models.report.write import REPORT
from models.runs.preparation import Preparation, prepare
from models.runs.run import Run, open_data
from models.training import auto
from models.training.device import CPU, TrainingDevice
from models.training.guidance import (
    LARGEST_NAME,
    TEACHER_FOLDER,
    Wishes,
    choose_rung,
    guided,
)
from models.training.progress import track
from models.training.recipe import Recipe, SplitRecipe, as_toml
from models.training.session import train_folder, train_run
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
        wishes: a time budget, which chooses the network, and a teacher.
        device: on which networks learn. It is no part of the run: another one may continue it.
    """

    data: Path
    out: Path
    recipe: Recipe | None = None
    groups: str | None = None
    max_false_rejects: float | None = None
    begun: Run | None = None
    wishes: Wishes = field(default_factory=Wishes)
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

    Raises DataError for data that cannot be trained on, UsageError where no network fits the time
    budget, and OSError for files that cannot be written.
    """
    recipe, wishes = job.recipe, job.wishes
    if recipe is None and job.begun is not None:
        recipe = job.begun.record().recipe
    if recipe is not None:
        recipe = recipe.within(job.max_false_rejects)
    wishes.check(recipe, continues=job.begun is not None)
    dataset = _check_data(job, recipe.split if recipe else SplitRecipe())
    limit = job.max_false_rejects or MAX_FALSE_REJECTS
    plan = _plan(dataset, job, limit) if recipe is None else None
    budget = _budget(dataset, job, plan)
    log.info("device %s", job.device)
    if plan is not None:
        if wishes.teacher is not None:
            raise UsageError(f"a teacher is for data with drawn defects: {plan.reason}")
        if budget is not None:
            plan = within_budget(plan, budget)
        comparison = run_plan(job.data, job.out, plan, job.groups, limit, device=job.device)
        return JobResult(Run(job.out), job.out / REPORT, comparison)
    if wishes.teacher is None and budget is None:
        train_folder(
            job.data,
            recipe,
            job.out,
            job.groups,
            job.begun,
            job.max_false_rejects,
            device=job.device,
        )
    else:
        _train(job, recipe, budget)
    run = Run(job.out)
    return JobResult(run, write_report(run), None)


def _budget(dataset: DataSet, job: TrainingJob, plan: Plan | None) -> BudgetRecord | None:
    """Return the choice within the time budget; None without a budget.

    Where methods are compared, those whose untrained network can be timed are timed as well.
    """
    budget = job.wishes.budget
    if budget is None:
        return None
    names = tuple(
        name
        for name in (plan.recipes if plan is not None else ())
        if name != "regression" and METHODS[name].int8 and METHODS[name].build is not None
    )
    return choose_rung(replace(budget, methods=names), dataset, job.out)


def _train(job: TrainingJob, recipe: Recipe | None, budget: BudgetRecord | None) -> None:
    """Train the network that the budget chose, with the teacher where there is one."""
    prepared = prepare(job.data, recipe, job.groups, max_false_rejects=job.max_false_rejects)
    if budget is not None:
        prepared = _changed(prepared, budget.chosen, budget)
    network = prepared.record.recipe.detector.network
    teacher = job.wishes.teacher
    if teacher == LARGEST_NAME and network == LARGEST.network:
        log.info("teacher none: %s itself fits, so nothing larger can teach it", network)
    elif teacher is not None:
        if teacher == LARGEST_NAME:
            _train_largest(prepared, job.out / TEACHER_FOLDER, job.device)
        prepared = guided(prepared, teacher, job.out)
    train_run(prepared, Run(job.out), device=job.device)


def _train_largest(prepared: Preparation, folder: Path, device: TrainingDevice) -> None:
    """Train the largest rung on the same pictures, unless the folder holds it already."""
    run = Run(folder)
    larger = _changed(prepared, LARGEST.network, None)
    off = larger.record.recipe.classifier.model_copy(update={"enabled": False})
    recipe = larger.record.recipe.model_copy(update={"classifier": off})
    larger = replace(larger, record=larger.record.model_copy(update={"recipe": recipe}))
    run.begin(larger.record)
    if not run.result_path.exists():
        log.info("teacher training %s first", LARGEST.network)
        train_run(larger, run, device=device)


def _changed(prepared: Preparation, network: str, budget: BudgetRecord | None) -> Preparation:
    """Return the preparation of a run with another network."""
    recipe = with_network(prepared.record.recipe, network)
    record = prepared.record.model_copy(update={"recipe": recipe, "budget": budget})
    return replace(prepared, record=record)


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


def _plan(dataset: DataSet, job: TrainingJob, limit: float) -> Plan | None:
    """Return the candidates to compare; None where enough defects are annotated for regression."""
    settings = auto.choose_split(dataset).model_copy(update={"groups": job.groups})
    plan = plan_for(dataset, settings, limit)
    if plan is not None:
        for warning in auto.series(dataset.samples):
            log.info("auto warning: %s", warning)
    return plan
