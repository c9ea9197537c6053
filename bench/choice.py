"""The choice of `make train` from good parts alone, against real defects that it has not seen.

    python -m bench.choice --set elpv --data FOLDER --out build/choice/elpv

The good pictures of the training side of a published set are trained on as `make train` does. Each
candidate then scores the held-back good pictures, the synthetic defects, and the real defective
pictures of the training side. The test side is never listed.

OUT/FOLD/choice.md has the AUROC of every candidate against synthetic and real defects, and the
recommended one. OUT/FOLD/scores.json has the scores. Finished candidates are not trained again.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.public_sets.fold import Fold, side_of
from bench.public_sets.plan import chosen_folds
from bench.public_sets.protocols import PROTOCOLS
from bench.public_sets.training_folder import write_training_folder
from edge.files import write_atomically
from models.candidates import plan_for, run_plan
from models.candidates.pictures import comparison_pictures
from models.candidates.ranking import CandidateScores, scores_of
from models.data.dataset import DataError
from models.evaluation.metrics import auroc
from models.evaluation.promise import MAX_FALSE_REJECTS
from models.runs.run import Run, open_data
from models.training import auto
from models.training.allocator import keep_freed_memory
from models.training.patches import load_pictures
from models.training.recipe import SplitRecipe


@dataclass(frozen=True, slots=True)
class ScoredChoice:
    """The scores of every candidate of a fold, by method, and the recommended one."""

    recommended: str
    scores: Mapping[str, CandidateScores]


def choose(fold: Fold, folder: Path, most_bad: int) -> ScoredChoice:
    """Train the candidates on a fold's good training pictures, and score real defects.

    most_bad: most defective pictures, spread over the training side. Blocks for minutes to an hour.
    Raises DataError where the training side has no defective picture, or no candidate can learn.
    """
    samples = fold.train()
    whole = side_of(fold.root, samples)
    bad = [sample for sample in whole.samples if not sample.is_good]
    if not bad:
        raise DataError(
            f"{fold.root}: has no defective picture on its training side; expected a set that "
            "offers masks or marks"
        )
    folder.mkdir(parents=True, exist_ok=True)
    data = write_training_folder(fold.root, samples, "good", folder / "good")
    dataset = open_data(data, SplitRecipe())
    plan = plan_for(dataset, auto.choose_split(dataset), MAX_FALSE_REJECTS)
    if plan is None:
        raise DataError(f"{data}: no method of good parts can learn from it")
    comparison = run_plan(data, folder / "run", plan, None, MAX_FALSE_REJECTS)
    runs = {each.method: Run(folder / "run" / each.method) for each in comparison.candidates}
    opened, _ = next(iter(runs.values())).open_data()
    pictures = comparison_pictures(opened, [run.record() for run in runs.values()])
    step = -(-len(bad) // most_bad)
    judged = replace(pictures, bad=load_pictures(whole, tuple(bad[::step])))
    return ScoredChoice(
        comparison.recommended, {name: scores_of(run, judged) for name, run in runs.items()}
    )


def table(choice: ScoredChoice) -> str:
    """Return the AUROC of every candidate as Markdown, the best on real defects first."""
    rows = []
    for name, scores in choice.scores.items():
        good = scores.good.peaks.tolist()
        synthetic, real = (
            auroc([False] * len(good) + [True] * len(side.peaks), [*good, *side.peaks.tolist()])
            for side in (scores.synthetic, scores.bad)
        )
        rows.append((real or 0.0, synthetic or 0.0, name))
    first = next(iter(choice.scores.values()))
    lines = [
        f"{len(first.good.peaks)} good pictures, {len(first.synthetic.peaks)} synthetic defects, "
        f"{len(first.bad.peaks)} real defective pictures; no candidate was trained on any of them.",
        "",
        "| candidate | AUROC, synthetic | AUROC, real |",
        "|---|---|---|",
    ]
    for real, synthetic, name in sorted(rows, reverse=True):
        chosen = " (recommended)" if name == choice.recommended else ""
        lines.append(f"| {name}{chosen} | {synthetic:.3f} | {real:.3f} |")
    return "\n".join(lines) + "\n"


def _as_json(choice: ScoredChoice) -> str:
    sides = ("good", "synthetic", "bad")
    values = {
        name: {side: getattr(scores, side).peaks.tolist() for side in sides}
        for name, scores in choice.scores.items()
    }
    return json.dumps(values) + "\n"


def main(
    protocol: Annotated[str, typer.Option("--set", help="Name of the published set.")],
    data: Annotated[Path, typer.Option(help="Your copy of it.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    category: Annotated[list[str] | None, typer.Option(help="Only this one; repeat.")] = None,
    most_bad: Annotated[int, typer.Option(help="Most defective pictures.", min=1)] = 400,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    keep_freed_memory()
    console = Console(soft_wrap=True)
    try:
        if protocol not in PROTOCOLS:
            raise DataError(f"set {protocol!r}: expected one of {', '.join(PROTOCOLS)}")
        for fold in chosen_folds(PROTOCOLS[protocol], data, category or ()):
            folder = out / (fold.name or protocol)
            choice = choose(fold, folder, most_bad)
            write_atomically(folder / "scores.json", _as_json(choice))
            write_atomically(folder / "choice.md", table(choice))
            console.print(f"{fold.name or protocol}\n\n{table(choice)}", markup=False)
    except DataError as error:
        console.print(str(error), markup=False)
        raise SystemExit(1) from error


if __name__ == "__main__":
    typer.run(main)
