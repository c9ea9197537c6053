"""Train every candidate of a plan, measure all on the same pictures, and write the comparison."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge.bundle.kinds import DetectorKind
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
from models.methods.registry import METHODS
from models.networks import DetectorNetwork
from models.report import write_report
from models.report.write import REPORT
from models.runs.preparation import Preparation, prepare
from models.runs.run import RECORD, VALIDATION, Run
from models.training.device import CPU, TrainingDevice
from models.training.estimate import JUDGE_S, REPORT_S, PictureSides, measure_slowness, phases_of
from models.training.forecast import forecast, phase
from models.training.progress import stage, track
from models.training.recipe import load_recipe
from models.training.session import train_run

log = logging.getLogger(__name__)

JUDGING = "comparison"  # the phase after all candidates


def run_plan(
    data: Path,
    out: Path,
    plan: Plan,
    groups: str | None,
    max_false_rejects: float,
    *,
    device: TrainingDevice = CPU,
) -> CandidateComparison:
    """Train and measure the candidates, and recommend one.

    Blocks for minutes. A call that was interrupted continues with the unfinished candidate when it
    is made again.

    groups, max_false_rejects: the values with which ``plan`` was made. device: on which networks
    learn. A candidate that cannot learn from the data is left out, with the reason. Raises
    DataError where no candidate can, or where the folder holds another run.
    """
    if (out / RECORD).exists():
        raise DataError(f"{out}: holds a training run; name another OUT or delete it")
    log.info("candidates %s: %s", ", ".join(plan.recipes), plan.reason)
    left_out = list(plan.too_slow)
    prepared = _Prepared(data, groups, max_false_rejects, plan)
    with forecast(_expected(prepared, out, device)):
        runs = dict(_train(prepared, out, left_out, device))
        with phase(JUDGING):
            return _compared(prepared, out, runs, left_out)


def _compared(
    prepared: _Prepared, out: Path, runs: dict[DetectorKind, Run], left_out: list[LeftOut]
) -> CandidateComparison:
    """Compare complete runs, and write the comparison and its page."""
    data, plan = prepared.data, prepared.plan
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
    comparison = _comparison(data, plan, pictures, ranking, prepared.limit, left_out)
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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The data for the candidates of a plan. Each reads it anew, because each divides it anew."""

    data: Path
    groups: str | None
    limit: float
    plan: Plan

    def of(self, name: DetectorKind) -> Preparation:
        """Return the preparation for a candidate. Raises DataError if it cannot learn from it."""
        return prepare(
            self.data,
            self.plan.recipes[name],
            self.groups,
            # The training pictures of regression are in no comparison, so they can stay where they
            # are.
            hold_back_drawn="regression" not in self.plan.recipes,
            with_unmasked=self.plan.divides_marked,
            max_false_rejects=self.limit,
        )


def _expected(prepared: _Prepared, out: Path, device: TrainingDevice) -> dict[str, float]:
    """Return the expected seconds of each candidate that is not finished, and of the comparison."""
    recipes = prepared.plan.recipes
    sides = None
    for name in recipes:
        with suppress(DataError):
            first = prepared.of(name)
            sides = PictureSides.of(first.pictures, first.held_back, first.record.alignment)
            break
    if sides is None:
        return {}
    slowness, usual = measure_slowness(), load_recipe("lean")
    report = slowness * REPORT_S * sides.held_back
    expected: dict[str, float] = {
        name: report + sum(phases_of(recipe or usual, sides, device, slowness).values())
        for name, recipe in recipes.items()
        if not Run(out / name).result_path.exists()
    }
    judged = 2 * sides.held_back * len(recipes)
    return {**expected, JUDGING: slowness * JUDGE_S * judged}


def _train(
    prepared: _Prepared, out: Path, left_out: list[LeftOut], device: TrainingDevice
) -> Iterator[tuple[DetectorKind, Run]]:
    """Train the candidates and yield the complete runs, by method; add the others to left_out."""
    recipes = prepared.plan.recipes
    finished: dict[DetectorKind, Run] = {}
    for number, name in enumerate(track(recipes, "candidates", len(recipes)), start=1):
        log.info("candidate %s: %s of %s", name, number, len(recipes))
        with phase(name):
            try:
                made = prepared.of(name)
            except DataError as error:
                left_out.append(_left_out(name, error))
                continue
            made = _within(made, prepared.plan.budget)
            made = replace(made, trained=dict(_same_pictures(made, finished)))
            run = Run(out / name)
            run.begin(made.record)
            try:
                if not run.result_path.exists():
                    train_run(made, run, device=device)
            except (DataError, ValueError) as error:
                # Some methods fail only during training. The other candidates continue.
                left_out.append(_left_out(name, error))
                continue
            if not (run.folder / REPORT).exists():
                write_report(run, max_false_rejects=prepared.limit)
        finished[name] = run
        yield name, run


def _same_pictures(
    made: Preparation, finished: Mapping[DetectorKind, Run]
) -> Iterator[tuple[DetectorKind, DetectorNetwork]]:
    """Yield the networks of finished candidates on which this one builds.

    They learned from the same pictures, with the settings that this recipe states for their method.
    """
    record = made.record
    for name in METHODS[record.recipe.method].builds_on:
        if name not in finished:
            continue
        run, section = finished[name], name.replace("-", "_")
        other = run.record()
        if (other.train, other.validation, other.alignment, other.recipe.seed) == (
            record.train,
            record.validation,
            record.alignment,
            record.recipe.seed,
        ) and getattr(other.recipe, section) == getattr(record.recipe, section):
            network = run.load_detector()
            assert isinstance(network, DetectorNetwork)
            yield name, network


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
