"""The summary of a run as tables."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from edge.pictures import SkippedPicture
from edge.station import Summary
from edge.tables import counts_table, punctuality, stages_table


def summary_tables(summary: Summary) -> tuple[Table, Table]:
    """Return the table of counts and the table of times per stage."""
    return counts_table("run", summary_counts(summary)), stages_table(summary.stages)


def summary_counts(summary: Summary) -> list[tuple[str, str]]:
    """Return label and value of each row, the most important first."""
    parts_per_s = summary.parts / summary.duration_s if summary.duration_s else 0.0
    belt = ", ".join(f"{count} {cause}" for cause, count in sorted(summary.causes.items()))
    return [
        ("parts", f"{summary.parts} in {summary.duration_s:.1f} s ({parts_per_s:.1f} per second)"),
        ("pass", str(summary.passed)),
        ("reject", str(summary.rejected)),
        ("unknown", f"{summary.unknown} ({summary.late} late, {summary.overload} overload)"),
        ("frames refused", _refused(summary.refused)),
        ("edges lost", str(summary.edges_lost)),
        ("ejected", f"{summary.ejected}, {summary.missed} missed"),
        ("on the belt", belt or "nothing unusual"),
        ("reject timing", punctuality(summary.timing)),
        ("rejector restarts", str(summary.rejector_restarts)),
        ("events lost", str(summary.events_lost)),
        ("pictures", _pictures(summary.pictures)),
        ("drift, self-tests", _monitor(summary.monitor)),
    ]


def _monitor(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "not monitored"


def _pictures(counts: Mapping[str, int]) -> str:
    left_out = {each.value for each in SkippedPicture}
    texts: dict[bool, list[str]] = {True: [], False: []}
    for name, count in counts.items():
        texts[name in left_out].append(f"{count} {name.replace('_', ' ')}")
    stored = f"stored: {', '.join(texts[False]) or '0'}"
    return f"{stored}; left out: {', '.join(texts[True])}" if texts[True] else stored


def _refused(refused: Mapping[str, int]) -> str:
    texts = [f"{count} {reason}" for reason, count in refused.items() if count]
    return ", ".join(texts) or "0"
