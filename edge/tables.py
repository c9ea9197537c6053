"""Tables that commands print: counts, and time per stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.table import Table

from edge.line.latency import Percentiles
from edge.terminals import escape


def punctuality(timing: Percentiles) -> str:
    """Start of the pulse minus the time at which the part was due."""
    if not timing.count:
        return "no kick"
    p50, p99, worst = timing.p50_us, timing.p99_us, timing.max_us
    return f"late by p50 {p50:.0f} µs, p99 {p99:.0f} µs, max {worst:.0f} µs"


def counts_table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """Label and value."""
    table = Table(show_header=False, title=escape(title), title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows:
        table.add_row(label, escape(value))
    return table


def stages_table(stages: Mapping[str, Percentiles], title: str = "stage, ms") -> Table:
    """One row per stage, in milliseconds."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("stage")
    for heading in ("count", "p50", "p99", "p99.9", "max"):
        table.add_column(heading, justify="right")
    for stage, times in stages.items():
        values = (times.p50_us, times.p99_us, times.p999_us, times.max_us)
        table.add_row(stage, str(times.count), *(f"{value / 1e3:.3f}" for value in values))
    return table
