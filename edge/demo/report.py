"""The account of a demo, for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from edge.demo.outcome import Carried, Judged, Kicks
from edge.station import Summary
from edge.tables import counts_table, punctuality


@dataclass(frozen=True, slots=True)
class Account:
    """Everything a demo found out."""

    bundle: str
    summary: Summary
    judged: tuple[Judged, ...]
    kicks: Kicks
    carried: Carried

    @property
    def escapes(self) -> int | None:
        """None where nobody can count them: no part is defective, or no truth is known."""
        if not self.knows_truth or not self.defective:
            return None
        return sum(one.is_escape for one in self.judged)

    @property
    def false_rejects(self) -> int | None:
        """None where nobody can count them: no part is good, or no truth is known."""
        if not self.knows_truth or not self.good:
            return None
        return sum(one.is_false_reject for one in self.judged)

    @property
    def defective(self) -> int:
        return sum(one.truth is not None for one in self.judged)

    @property
    def good(self) -> int:
        return self.summary.parts - self.defective

    @property
    def knows_truth(self) -> bool:
        """Return whether masks or folders say which parts are good."""
        return all(one.known for one in self.judged)

    @property
    def is_sound(self) -> bool:
        """Every event arrived once, and no wrong part was kicked."""
        return self.carried.complete and not self.kicks.wrong


def account_json(account: Account) -> str:
    """Counts and microseconds."""
    summary = asdict(account.summary)
    return json.dumps(
        {
            "bundle": account.bundle,
            "defective": account.defective if account.knows_truth else None,
            "escapes": account.escapes,
            "false_rejects": account.false_rejects,
            "kicks": asdict(account.kicks),
            "events": asdict(account.carried),
            "sound": account.is_sound,
            "run": summary,
        },
        indent=1,
    )


def account_table(account: Account, sheet: Path) -> Table:
    """What a person asks, in the order of asking."""
    summary, kicks, carried = account.summary, account.kicks, account.carried
    wrong = f"{len(kicks.wrong)}{_numbers(kicks.wrong)}"
    defective = f"{account.defective} defective"
    escapes = f"{account.escapes} of {account.defective} defective parts"
    false_rejects = f"{account.false_rejects} of {account.good} good parts"
    if account.escapes is None:
        escapes = "unknown: no part is defective"
    if account.false_rejects is None:
        false_rejects = "unknown: no part is good"
    if not account.knows_truth:
        defective = "none marked as good or defective"
        escapes = false_rejects = "unknown: no masks and no folder good/"
    rows = [
        ("bundle", account.bundle),
        ("parts", f"{summary.parts} in {summary.duration_s:.1f} s, {defective}"),
        ("pass", str(summary.passed)),
        ("reject", str(summary.rejected)),
        ("unknown", f"{summary.unknown} ({summary.late} late, {summary.overload} overload)"),
        ("escapes", escapes),
        ("false rejects", false_rejects),
        ("kicked", f"{kicks.right} right, {wrong} wrong, {len(kicks.missed)} missed"),
        ("reject timing", punctuality(summary.timing)),
        (
            "events",
            f"{carried.journalled} journalled, {carried.published} published, "
            f"{carried.received} received",
        ),
        ("contact sheet", str(sheet)),
        ("events and ejector", "sound" if account.is_sound else "NOT SOUND"),
    ]
    return counts_table("demo", rows)


def _numbers(parts: tuple[int, ...]) -> str:
    return f" (parts {', '.join(map(str, parts))})" if parts else ""
