"""The summary of a demo as a table and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from edge.demo.outcome import DeliveryCount, DemoPart, EjectionResult
from edge.station import Summary
from edge.tables import counts_table, punctuality


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """The results of a demo."""

    bundle: str
    summary: Summary
    parts: tuple[DemoPart, ...]
    ejections: EjectionResult
    events: DeliveryCount

    @property
    def escapes(self) -> int | None:
        """Return the number of escapes; None without a defective part or without the truth."""
        if not self.knows_truth or not self.defective:
            return None
        return sum(one.is_escape for one in self.parts)

    @property
    def false_rejects(self) -> int | None:
        """Return the number of false rejects; None without a good part or without the truth."""
        if not self.knows_truth or not self.good:
            return None
        return sum(one.is_false_reject for one in self.parts)

    @property
    def defective(self) -> int:
        """Return the number of defective parts."""
        return sum(one.truth is not None for one in self.parts)

    @property
    def good(self) -> int:
        """Return the number of good parts."""
        return self.summary.parts - self.defective

    @property
    def knows_truth(self) -> bool:
        """Return whether masks or folders show which parts are good."""
        return all(one.known for one in self.parts)

    @property
    def is_sound(self) -> bool:
        """Return whether every event arrived once and no wrong part was ejected."""
        return self.events.complete and not self.ejections.wrong


def summary_json(result: DemoSummary) -> str:
    """Return the counts and times as JSON; times in microseconds."""
    summary = asdict(result.summary)
    return json.dumps(
        {
            "bundle": result.bundle,
            "defective": result.defective if result.knows_truth else None,
            "escapes": result.escapes,
            "false_rejects": result.false_rejects,
            "ejections": asdict(result.ejections),
            "events": asdict(result.events),
            "sound": result.is_sound,
            "run": summary,
        },
        indent=1,
    )


def summary_table(result: DemoSummary, sheet: Path) -> Table:
    """Return the table of the summary, the most important rows first."""
    summary, ejections, events = result.summary, result.ejections, result.events
    wrong = f"{len(ejections.wrong)}{_numbers(ejections.wrong)}"
    defective = f"{result.defective} defective"
    escapes = f"{result.escapes} of {result.defective} defective parts"
    false_rejects = f"{result.false_rejects} of {result.good} good parts"
    if result.escapes is None:
        escapes = "unknown: no part is defective"
    if result.false_rejects is None:
        false_rejects = "unknown: no part is good"
    if not result.knows_truth:
        defective = "none marked as good or defective"
        escapes = false_rejects = "unknown: no masks and no folder good/"
    rows = [
        ("bundle", result.bundle),
        ("parts", f"{summary.parts} in {summary.duration_s:.1f} s, {defective}"),
        ("pass", str(summary.passed)),
        ("reject", str(summary.rejected)),
        ("unknown", f"{summary.unknown} ({summary.late} late, {summary.overload} overload)"),
        ("escapes", escapes),
        ("false rejects", false_rejects),
        ("ejected", f"{ejections.right} right, {wrong} wrong, {len(ejections.missed)} missed"),
        ("reject timing", punctuality(summary.timing)),
        (
            "events",
            f"{events.journalled} journalled, {events.published} published, "
            f"{events.received} received",
        ),
        ("contact sheet", str(sheet)),
        ("events and ejector", "sound" if result.is_sound else "NOT SOUND"),
    ]
    return counts_table("demo", rows)


def _numbers(parts: tuple[int, ...]) -> str:
    return f" (parts {', '.join(map(str, parts))})" if parts else ""
