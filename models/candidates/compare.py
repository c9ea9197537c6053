"""Train every candidate of a plan, judge them on the same pictures, write down what came out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from edge.bundle.manifest import DetectorKind
from edge.files import write_atomically
from models.candidates.advice import verdict
from models.candidates.judge import Judgement, judge, scores_of
from models.candidates.page import write_page
from models.candidates.pictures import JudgedPictures, judged_pictures
from models.candidates.plan import Plan
from models.candidates.record import CandidateComparison, LeftOut
from models.data.dataset import DataError
from models.data.facts import parts_of
from models.evaluation.tradeoff import parts_to_prove
from models.report import write_report
from models.report.write import REPORT
from models.runs.preparation import prepare
from models.runs.run import RECORD, VALIDATION, Run
from models.training.progress import stage, track
from models.training.session import train_run

log = logging.getLogger(__name__)


def run_plan(
    data: Path, out: Path, some: Plan, groups: str | None, max_false_rejects: float
) -> CandidateComparison:
    """Train, judge and recommend. Blocks for minutes; may be killed and called again, and goes on
    with the candidate that was under way.

    groups, max_false_rejects: as ``some`` was planned with. A candidate that cannot work on the
    data is left out, with the reason. Raises DataError when none can, or the folder holds other
    runs.
    """
    if (out / RECORD).exists():
        raise DataError(f"{out}: holds a training run; name another OUT or delete it")
    log.info("candidates %s: %s", ", ".join(some.recipes), some.reason)
    left_out: list[LeftOut] = []
    runs = dict(_train(data, out, some, groups, max_false_rejects, left_out))
    if not runs:
        reasons = "; ".join(f"{each.method}: {each.reason}" for each in left_out)
        raise DataError(f"{data}: no candidate can be trained: {reasons}")
    dataset, _ = next(iter(runs.values())).open_data()
    pictures = judged_pictures(dataset, [run.record() for run in runs.values()])
    if not pictures.good or not (pictures.bad or pictures.painted):
        raise DataError(
            f"{data}: nothing to compare candidates on; expected good parts that can be held back, "
            "of 32 px a side or more"
        )
    scores = {name: scores_of(run, pictures, max_false_rejects) for name, run in runs.items()}
    judgement = judge(runs, scores, pictures)
    comparison = _comparison(data, some, pictures, judgement, max_false_rejects, left_out)
    comparison.write(out)
    chosen = runs[comparison.recommended]
    # What is exported from this folder is scored on what was held back from that run.
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
    some: Plan,
    groups: str | None,
    max_false_rejects: float,
    left_out: list[LeftOut],
) -> Iterator[tuple[DetectorKind, Run]]:
    """The runs that are complete, by method; the others go to left_out."""
    recipes = track(some.recipes.items(), "candidates", len(some.recipes))
    for number, (name, recipe) in enumerate(recipes, start=1):
        log.info("candidate %s: %s of %s", name, number, len(some.recipes))
        try:
            # What regression trains on judges nobody, so it may as well stay where it is.
            alone = "regression" not in some.recipes
            prepared = prepare(data, recipe, groups, hold_back_drawn=alone)
        except DataError as error:
            left_out.append(_left_out(name, error))
            continue
        run = Run(out / name)
        run.begin(prepared.record)
        try:
            if not run.result_path.exists():
                train_run(prepared, run)
        except (DataError, ValueError) as error:
            # A method may find only while it learns that it cannot; the others go on.
            left_out.append(_left_out(name, error))
            continue
        if not (run.folder / REPORT).exists():
            write_report(run, max_false_rejects=max_false_rejects)
        yield name, run


def _left_out(name: DetectorKind, error: Exception) -> LeftOut:
    log.warning("candidate %s is left out: %s", name, error)
    return LeftOut(method=name, reason=str(error))


def _comparison(
    data: Path,
    some: Plan,
    pictures: JudgedPictures,
    judgement: Judgement,
    limit: float,
    left_out: list[LeftOut],
) -> CandidateComparison:
    first = judgement.candidates[0]
    return CandidateComparison(
        reason=some.reason,
        data=str(data.resolve()),
        limit=limit,
        good=len(pictures.good),
        good_parts=parts_of([picture.sample for picture in pictures.good]),
        bad=len(pictures.bad),
        bad_parts=pictures.bad_parts,
        painted=len(pictures.painted),
        ranked_by="bad" if judgement.ranked_by_bad else "painted and bad",
        recommended=first.method,
        candidates=judgement.candidates,
        left_out=tuple(left_out),
        needed_good=parts_to_prove(limit, first.false_rejects),
        needed_bad=judgement.needed_bad,
    )
