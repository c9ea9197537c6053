"""`make train`: from a folder of pictures to a run that `make export` can pack."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge.terminals import tolerate
from edge.validation_messages import several_lines
from models.candidates import CandidateComparison, plan_for, run_plan
from models.candidates.advice import (
    export_command,
    how_sure,
    next_pictures,
    rests_on,
    verdict,
)
from models.data.dataset import DataError, DataSet
from models.data.summary import account
from models.evaluation.metrics import COUNTS, WORDS
from models.evaluation.tradeoff import operating_point, parse_share
from models.evaluation.tradeoff.interval import UNKNOWN, share_of
from models.evaluation.tradeoff.point import require_good
from models.report import write_report
from models.report.limits import unknowns
from models.report.write import MAX_FALSE_REJECTS, REPORT
from models.runs.commands import make
from models.runs.run import Run, open_data
from models.training import auto
from models.training.interrupts import Interrupted, as_keyboard
from models.training.progress import announced, track
from models.training.recipe import Recipe, SplitRecipe, load_recipe
from models.training.session import train

__all__ = ["print_metrics", "train"]


def print_metrics(console: Console, metrics: dict[str, dict[str, float]]) -> None:
    """A table with a column per chain."""
    table = Table("metric", *metrics)
    for name, words in WORDS.items():
        cells = [values.get(name) for values in metrics.values()]
        if any(cell is not None for cell in cells) or name in COUNTS:
            table.add_row(words, *map(_cell, cells))
    console.print(table)


def _cell(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def main(
    data: Annotated[Path, typer.Option(help="Folder of pictures, with masks or without.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; taken up where it was left.")],
    recipe: Annotated[
        str, typer.Option(help="'auto', a name in models/recipes, or a .toml file.")
    ] = auto.NAME,
    groups: Annotated[
        str | None,
        typer.Option(help="Regular expression; its first group is the part a picture shows."),
    ] = None,
    max_false_rejects: Annotated[
        str,
        typer.Option(help="T within this share of held-back good parts, as 0.5%; from good parts."),
    ] = "",
    threads: Annotated[int, typer.Option(help="Cores to use; 0 for all.")] = 0,
) -> None:
    """Train a detector (and a classifier on annotated pictures), search T, and evaluate."""
    console = Console()
    with as_keyboard():
        _train(console, data, out, recipe, groups, max_false_rejects, threads)


def _train(
    console: Console,
    data: Path,
    out: Path,
    recipe: str,
    groups: str | None,
    max_false_rejects: str,
    threads: int,
) -> None:
    try:
        limit = parse_share(max_false_rejects) if max_false_rejects else None
        loaded = None if recipe == auto.NAME else _limited(load_recipe(recipe), limit)
        out.mkdir(parents=True, exist_ok=True)
        handlers: list[logging.Handler] = [
            logging.StreamHandler(),
            logging.FileHandler(out / "train.log", delay=True),
        ]
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)
        # torch's own default counts hyper-threads as half a core and leaves them idle.
        torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
        # After basicConfig, which does nothing where a handler is there already.
        with announced():
            dataset = _checked(data, loaded.split if loaded else SplitRecipe(), groups, limit)
            compared = _compare(dataset, data, out, groups, limit) if loaded is None else None
            if compared is not None:
                _print_comparison(console, compared, out)
                return
            result = train(data, loaded, out, groups)
            record = Run(out).record()
            asked = record.recipe.chain.max_false_rejects
            report = write_report(Run(out), max_false_rejects=asked or MAX_FALSE_REJECTS)
    except (DataError, OSError) as error:
        console.print(
            f"[red]train:[/] {escape(several_lines(error))}", highlight=False, soft_wrap=True
        )
        sys.exit(1)
    except KeyboardInterrupt as stop:
        _say(console, _stopped(stop, out))
        sys.exit(130)
    print_metrics(console, result.metrics)
    by_name = Run(out).open_data()[1]
    for line in unknowns([by_name[name] for name in record.validation], record.kinds):
        _say(console, f"Attention: {line}")
    if asked is not None:
        point = operating_point(result.threshold, result.metrics["float"])
        assurance = point.assurance(asked)
        more = f": {assurance.needed - point.good} more than there are"
        _say(console, f"{point}")
        _say(console, f"{assurance}{'' if assurance.proved else more}")
    _say(console, f"T = {result.threshold:.1f}. See {report}. Next: {make('export', RUN=out)}")


def _stopped(stop: KeyboardInterrupt, out: Path) -> str:
    """Return a message on the files that are kept of a training that was stopped."""
    if isinstance(stop, Interrupted):
        return f"stopped: {stop}; the same command goes on from there"
    if any(out.rglob("*.ckpt")) or any(out.rglob("result.json")):
        return f"stopped; the same command goes on from what is saved in {out}"
    return "stopped before anything was learned; the same command begins anew"


def _limited(recipe: Recipe, limit: float | None) -> Recipe:
    if limit is None:
        return recipe
    chain = recipe.chain.model_copy(update={"max_false_rejects": limit, "threshold": None})
    return recipe.model_copy(update={"chain": chain})


def _checked(data: Path, settings: SplitRecipe, groups: str | None, limit: float | None) -> DataSet:
    """The data set, after a summary of what it was taken for, and with every picture and mask read
    once: what is wrong is reported at once and before anything is trained. Raises DataError."""
    if groups is not None:
        settings = settings.model_copy(update={"groups": groups})
    dataset = open_data(data, settings)
    for line in account(dataset):
        logging.getLogger(__name__).info("data %s", line)
    if limit is not None:
        require_good(sum(sample.is_good for sample in dataset.samples), str(data))
    dataset.verify(track(dataset.samples, "reading every picture and mask"))
    return dataset


def _compare(
    dataset: DataSet, data: Path, out: Path, groups: str | None, limit: float | None
) -> CandidateComparison | None:
    """The comparison of candidates; None where there are defects enough for regression alone."""
    settings = auto.choose_split(dataset).model_copy(update={"groups": groups})
    some = plan_for(dataset, settings, limit or MAX_FALSE_REJECTS)
    if some is not None:
        for warning in auto.series(dataset.samples):
            logging.getLogger(__name__).info("auto warning: %s", warning)
        return run_plan(data, out, some, groups, limit or MAX_FALSE_REJECTS)
    if limit is not None:
        raise DataError(
            "--max-false-rejects sets T of methods that learn from good parts; these pictures have "
            "defects drawn, so give it to make export (EXPORT_ARGS), or name a recipe of such a "
            "method"
        )
    return None


def _print_comparison(console: Console, comparison: CandidateComparison, out: Path) -> None:
    table = Table("method", "AUROC", "95%", "bad passed", "painted passed", "T", "s", "ms")
    for each in comparison.candidates:
        table.add_row(
            each.method,
            f"{each.figure:.3f}",
            f"{each.figure_low:.3f}–{each.figure_high:.3f}",
            share_of(each.escapes, comparison.bad),
            share_of(each.painted_escapes, comparison.painted),
            f"{each.threshold:.1f}",
            f"{each.training_s:.0f}",
            f"{each.ms_per_frame:.1f}",
        )
    console.print(table)
    for left in comparison.left_out:
        _say(console, f"left out: {left.method}: {left.reason}")
    for line in (rests_on(comparison), verdict(comparison), how_sure(comparison)):
        _say(console, line)
    for told, basis in next_pictures(comparison):
        _say(console, f"{told} ({basis})")
    command = export_command(comparison, out)
    _say(console, f"See {out / REPORT}. Next: {command} (it packs {comparison.recommended})")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    tolerate()
    typer.run(main)
