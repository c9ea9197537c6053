"""Which marked parts are learned from, and which judge what was learned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from edge.quarantine import Claim, QuarantineEntry

# Of a claim; below, all are learned from, and that it helps on other parts is not proven.
FEWEST_TO_DIVIDE = 5


@dataclass(frozen=True, slots=True)
class Division:
    """Released entries, each on one side."""

    learned: tuple[QuarantineEntry, ...]
    held_back: tuple[QuarantineEntry, ...]


def divide(
    entries: Sequence[QuarantineEntry], share: float, fewest: int = FEWEST_TO_DIVIDE
) -> Division:
    """Of each claim the latest ``share`` (0 to 1) is held back: parts of the same minutes look
    alike, and what is wanted is to be right on those that come after. By the time at which the
    part was pictured, then by id; deterministic."""
    learned: list[QuarantineEntry] = []
    held_back: list[QuarantineEntry] = []
    for claim in get_args(Claim):
        some = sorted(
            (entry for entry in entries if entry.released == claim),
            key=lambda entry: (entry.seen_utc, entry.id),
        )
        count = round(len(some) * share) if len(some) >= fewest else 0
        cut = len(some) - min(count, len(some) - 1) if some else 0
        learned += some[:cut]
        held_back += some[cut:]
    return Division(tuple(learned), tuple(held_back))
