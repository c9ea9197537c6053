"""Train every candidate of a plan, measure all on the same pictures, and write the comparison."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge.bundle.manifest import DetectorKind
from edge.files import write_atomically
from models.candidates.advice import verdict
from models.candidates.page import write_page
from models.candidates.pictures import JudgedPictures, comparison_pictures
from models.candidates.plan import Plan
from models.candidates.ranking import Ranking, ms_per_frame, rank_candidates, scores_of
from models.candidates.record import CandidateComparison, LeftOut
from models.data.dataset import DataError
from models.data.facts import parts_of
from models.evaluation.tradeoff import parts_to_prove
from models.ladder.budget import needs_ms
from models.ladder.record import BudgetRecord
from models.ladder.rungs import with_network
from models.report import write_report
from models.report.write import REPORT
from models.runs.preparation import Preparation, prepare
from models.runs.run import RECORD, VALIDATION, Run
from models.training.progress import stage, track
from models.training.session import train_run

log = logging.getLogger(__name__)


def run_plan(
    data: Path, out: Path, plan: Plan, groups: str | None, max_false_rejects: float
) -> CandidateComparison:
    """Train and measure the candidates, and recommend one.

    Blocks for minutes. A call that was interrupted continues with the unfinished candidate when it
    is made again.

    groups, max_false_rejects: the values with which ``plan`` was made. A candidate that cannot
    learn from the data is left out, with the reason. Raises DataError where no candidate can, or
    where the folder holds another run.
    """
    if (out / RECORD).exists():
        raise DataError(f"{out}: holds a training run; name another OUT or delete it")
    log.info("candidates %s: %s", ", ".join(plan.recipes), plan.reason)
    left_out = list(plan.too_slow)
    runs = dict(_train(data, out, plan, groups, max_false_rejects, left_out))
    if not runs:
        reasons = "; ".join(f"{each.method}: {each.reason}" for each in left_out)
        raise DataError(f"{data}: no candidate can be trained: {reasons}")
    dataset, _ = next(iter(runs.values())).open_data()
    pictures = comparison_pictures(dataset, [run.record() for run in runs.values()])
    runs = dict(_fast_enough(runs, plan.budget, pictures, left_out))
    if not runs:
        reasons = "; ".join(f"{each.method}: {each.reason}" for each in left_out)
        raise DataError(f"{data}: no candidate fits the time budget: {reasons}")
    if not pictures.good or not (pictures.bad or pictures.synthetic):
        raise DataError(
            f"{data}: no picture on which candidates can be compared; expected good parts that can "
            "be held back, with sides of 32 px or more"
        )
    scores = {name: scores_of(run, pictures) for name, run in runs.items()}
    ranking = rank_candidates(runs, scores, pictures)
    comparison = _comparison(data, plan, pictures, ranking, max_false_rejects, left_out)
    comparison.write(out)
    chosen = runs[comparison.recommended]
    # `outfeed inspect --list` uses the held-back pictures of the recommended run.
    write_atomically(out / VALIDATION, chosen.validation_list.read_text(encoding="utf-8"))
    for each in comparison.candidates:
        log.info("candidate %s figure=%.3f T=%.1f", each.method, each.figure, each.threshold)
    log.info("candidates %s", verdict(comparison))
    with stage("writing the page of the comparison"):
        write_page(out, comparison, runs, scores, pictures)
    return comparison


def _train(
    data: Path,
    out: Path,
    plan: Plan,
    groups: str | None,
    max_false_rejects: float,
    left_out: list[LeftOut],
) -> Iterator[tuple[DetectorKind, Run]]:
    """Train the candidates and yield the complete runs, by method; add the others to left_out."""
    recipes = track(plan.recipes.items(), "candidates", len(plan.recipes))
    for number, (name, recipe) in enumerate(recipes, start=1):
        log.info("candidate %s: %s of %s", name, number, len(plan.recipes))
        try:
            # The training pictures of regression are in no comparison, so they can stay where they
            # are.
            alone = "regression" not in plan.recipes
            prepared = prepare(
                data,
                recipe,
                groups,
                hold_back_drawn=alone,
                with_unmasked=plan.divides_marked,
                max_false_rejects=max_false_rejects,
            )
        except DataError as error:
            left_out.append(_left_out(name, error))
            continue
        prepared = _within(prepared, plan.budget)
        run = Run(out / name)
        run.begin(prepared.record)
        try:
            if not run.result_path.exists():
                train_run(prepared, run)
        except (DataError, ValueError) as error:
            # Some methods fail only during training. The other candidates continue.
            left_out.append(_left_out(name, error))
            continue
        if not (run.folder / REPORT).exists():
            write_report(run, max_false_rejects=max_false_rejects)
        yield name, run


def _within(prepared: Preparation, budget: BudgetRecord | None) -> Preparation:
    """Return the preparation with the budget, and with its network where it is of regression."""
    if budget is None:
        return prepared
    recipe = prepared.record.recipe
    if recipe.method == "regression":
        recipe = with_network(recipe, budget.chosen)
    record = prepared.record.model_copy(update={"recipe": recipe, "budget": budget})
    return replace(prepared, record=record)


def _fast_enough(
    runs: dict[DetectorKind, Run],
    budget: BudgetRecord | None,
    pictures: JudgedPictures,
    left_out: list[LeftOut],
) -> Iterator[tuple[DetectorKind, Run]]:
    """Yield the runs that fit the budget, and add the others to left_out.

    A method that is a file runs here as on a station, so it is timed after its training. Of the
    methods whose network could not be timed untrained, the export states the time.
    """
    timed = {each.network for each in budget.methods} if budget is not None else set()
    for name, run in runs.items():
        if budget is None or name == "regression" or name in timed or not pictures.good:
            yield name, run
        elif run.detector_file.is_file():
            needed = needs_ms(ms_per_frame(run, pictures.good) * budget.scale, 0.0)
            if budget.fits(needed):
                yield name, run
            else:
                left_out.append(LeftOut(method=name, reason=budget.too_slow(needed)))
        else:
            log.warning("candidate %s: its time is not known before its export", name)
            yield name, run


def _left_out(name: DetectorKind, error: Exception) -> LeftOut:
    log.warning("candidate %s is left out: %s", name, error)
    return LeftOut(method=name, reason=str(error))


def _comparison(
    data: Path,
    plan: Plan,
    pictures: JudgedPictures,
    ranking: Ranking,
    limit: float,
    left_out: list[LeftOut],
) -> CandidateComparison:
    first = ranking.candidates[0]
    return CandidateComparison(
        reason=plan.reason,
        data=str(data.resolve()),
        limit=limit,
        good=len(pictures.good),
        good_parts=parts_of([picture.sample for picture in pictures.good]),
        bad=len(pictures.bad),
        bad_parts=pictures.bad_parts,
        synthetic=len(pictures.synthetic),
        ranked_by="bad" if ranking.ranked_by_bad else "synthetic and bad",
        recommended=first.method,
        candidates=ranking.candidates,
        left_out=tuple(left_out),
        needed_good=parts_to_prove(limit, first.false_rejects),
        needed_bad=ranking.needed_bad,
    )
