"""The division of marked parts: those to learn from, and those that check the result. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from edge.quarantine import Claim, QuarantineEntry

# For each claim. With fewer parts all are learned, and the effect on other parts is not proven.
FEWEST_TO_DIVIDE = 5


@dataclass(frozen=True, slots=True)
class Division:
    """The released entries, each on one side: learned, or held back for the check."""

    learned: tuple[QuarantineEntry, ...]
    held_back: tuple[QuarantineEntry, ...]


def divide(
    entries: Sequence[QuarantineEntry], share: float, fewest: int = FEWEST_TO_DIVIDE
) -> Division:
    """Hold back the latest ``share`` (0 to 1) of each claim. Deterministic.

    Parts of the same minutes look similar, and the result must be right for later parts. The order
    is by the time of the frame, then by id. With fewer than ``fewest`` parts of a claim, all are
    learned.
    """
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
