"""The division of stations into cohorts. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Candidate:
    """A station that a rollout may take. is_online: its uplink is connected."""

    name: str
    is_online: bool = True


def divide(
    candidates: Sequence[Candidate],
    *,
    canaries: Sequence[str] = (),
    canary_count: int = 1,
    share: float = 0.25,
) -> tuple[tuple[str, ...], ...]:
    """Return the names of the stations of each cohort: canaries, a share of all, and the rest.

    canaries: the stations of the first cohort; without them ``canary_count`` are taken, those that
    are online first. share: the stations of the first two cohorts together, of all, 0 to 1. Empty
    cohorts are left out. Raises UsageError.
    """
    names = [each.name for each in candidates]
    if not names:
        raise UsageError("a rollout needs at least one station")
    if strange := sorted(set(canaries) - set(names)):
        raise UsageError(f"canary {strange[0][:63]!r} is not one of the stations")
    if not 0 <= share <= 1:
        raise UsageError("share: expected 0 to 100 %")
    if not canaries and not 1 <= canary_count <= len(names):
        raise UsageError(f"canaries: expected 1 to {len(names)}")
    ordered = sorted(candidates, key=lambda each: (not each.is_online, each.name))
    first = list(dict.fromkeys(canaries)) or [each.name for each in ordered[:canary_count]]
    others = [each.name for each in ordered if each.name not in first]
    second = max(0, ceil(share * len(names)) - len(first))
    parts = (tuple(first), tuple(others[:second]), tuple(others[second:]))
    return tuple(each for each in parts if each)
