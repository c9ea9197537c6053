"""The tables and lines that `make train` prints at its end."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.candidates import CandidateComparison
from models.candidates.advice import (
    export_command,
    how_sure,
    next_pictures,
    rests_on,
    verdict,
)
from models.evaluation.interval import UNKNOWN, share_of
from models.evaluation.metrics import COUNTS, WORDS
from models.evaluation.tradeoff import operating_point
from models.report.limits import unknowns
from models.report.write import PARTS_PER_SHIFT
from models.runs.commands import make
from models.runs.run import Run


def print_line(console: Console, text: str) -> None:
    """Print text as it is: no markup, no colours, no line breaks of the terminal's width."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def print_metrics(console: Console, metrics: dict[str, dict[str, float]]) -> None:
    """Print a table with one column for each chain. metrics: by chain, then by name."""
    table = Table("metric", *metrics)
    for name, words in WORDS.items():
        cells = [values.get(name) for values in metrics.values()]
        if any(cell is not None for cell in cells) or name in COUNTS:
            table.add_row(words, *map(_cell, cells))
    console.print(table)


def _cell(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}".rstrip("0").rstrip(".")


def print_run(console: Console, run: Run, report: Path, out: Path) -> None:
    """Print the figures of a run, its limits and the command that exports it. Raises DataError."""
    record, result = run.record(), run.result()
    print_metrics(console, result.metrics)
    by_name = run.open_data()[1]
    for line in unknowns([by_name[name] for name in record.validation], record.kinds):
        print_line(console, f"Attention: {line}")
    print_line(console, f"{operating_point(result.threshold, result.metrics['float'])}")
    if result.promise is not None:
        print_line(console, f"{result.promise}")
        print_line(console, f"In a shift {result.promise.per(PARTS_PER_SHIFT)}")
    export = make("export", RUN=out)
    print_line(console, f"T = {result.threshold:.1f}. See {report}. Next: {export}")


def print_comparison(
    console: Console, comparison: CandidateComparison, report: Path, out: Path
) -> None:
    """Print the candidates, the recommendation and the command that exports it."""
    table = Table("method", "AUROC", "95%", "bad passed", "synthetic passed", "T", "s", "ms")
    for each in comparison.candidates:
        table.add_row(
            each.method,
            f"{each.figure:.3f}",
            f"{each.figure_low:.3f}–{each.figure_high:.3f}",
            share_of(each.escapes, comparison.bad),
            share_of(each.synthetic_escapes, comparison.synthetic),
            f"{each.threshold:.1f}",
            f"{each.training_s:.0f}",
            f"{each.ms_per_frame:.1f}",
        )
    console.print(table)
    for left in comparison.left_out:
        print_line(console, f"left out: {left.method}: {left.reason}")
    for line in (rests_on(comparison), verdict(comparison), how_sure(comparison)):
        print_line(console, line)
    for advice, basis in next_pictures(comparison):
        print_line(console, f"{advice} ({basis})")
    command = export_command(comparison, out)
    print_line(console, f"See {report}. Next: {command} (it packs {comparison.recommended})")
