"""A station's run as tables."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from edge.pictures import SkippedPicture
from edge.station import Summary
from edge.tables import counts_table, punctuality, stages_table


def summary_tables(summary: Summary) -> tuple[Table, Table]:
    """What became of the parts, and how long each stage took."""
    return counts_table("run", summary_counts(summary)), stages_table(summary.stages)


def summary_counts(summary: Summary) -> list[tuple[str, str]]:
    """Label and value, the order in which a person asks."""
    parts_per_s = summary.parts / summary.duration_s if summary.duration_s else 0.0
    belt = ", ".join(f"{count} {cause}" for cause, count in sorted(summary.causes.items()))
    return [
        ("parts", f"{summary.parts} in {summary.duration_s:.1f} s ({parts_per_s:.1f} a second)"),
        ("pass", str(summary.passed)),
        ("reject", str(summary.rejected)),
        ("unknown", f"{summary.unknown} ({summary.late} late, {summary.overload} overload)"),
        ("no frame of its own", _refused(summary.refused)),
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
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "not watched"


def _pictures(counts: Mapping[str, int]) -> str:
    left_out = {each.value for each in SkippedPicture}
    told: dict[bool, list[str]] = {True: [], False: []}
    for name, count in counts.items():
        told[name in left_out].append(f"{count} {name.replace('_', ' ')}")
    kept = f"kept: {', '.join(told[False]) or '0'}"
    return f"{kept}; left out: {', '.join(told[True])}" if told[True] else kept


def _refused(refused: Mapping[str, int]) -> str:
    told = [f"{count} {reason}" for reason, count in refused.items() if count]
    return ", ".join(told) or "0"
