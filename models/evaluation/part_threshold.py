"""The search for the part threshold: the score from which the decision head rejects a part.

The decision head and the regions of the map are two ways to reject. The score is searched for the
parts that the regions leave, on validation pictures (decision 45).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from models.evaluation.reject_severity import PLACE
from models.networks import SEVERITY_MAX

MIDDLE = SEVERITY_MAX / 2  # a probability of one half
LEAST, MOST = 0.1, SEVERITY_MAX - 0.1  # outside of these, a build in uint8 has no two scores


@dataclass(frozen=True, slots=True)
class ScoredPart:
    """A validation picture: the truth, the decision by regions alone, and the part's score."""

    is_defective: bool
    is_rejected: bool
    score: float


def search_part_threshold(parts: Sequence[ScoredPart]) -> float | None:
    """Return the score with the fewest wrong decisions, or None where no rule by it helps.

    A wrong decision is an escape or a false reject; both count the same. Candidates lie half-way
    between neighbouring scores. Of several with equally few mistakes, the one nearest to MIDDLE is
    chosen. None where every score makes as many mistakes as the regions alone, or where no good or
    no defective part can be counted.
    """
    if len({part.is_defective for part in parts}) < 2:
        return None
    left = [part for part in parts if not part.is_rejected]
    scores = sorted({part.score for part in left})
    between = [(low + high) / 2 for low, high in pairwise(scores)]
    # MIDDLE is a candidate itself, where every part that is left belongs on one side of it.
    candidates = [round(some, 2) for some in (*between, MIDDLE) if LEAST <= some <= MOST]
    best = min(candidates, key=lambda some: (_mistakes(left, some), abs(some - MIDDLE)))
    alone = sum(part.is_defective for part in left)
    return best if _mistakes(left, best) < alone else None


def search_part_threshold_within(parts: Sequence[ScoredPart], allowed: int) -> float | None:
    """Return the score with the fewest escapes that rejects at most ``allowed`` more good parts.

    Parts that the regions reject already do not count. Of the scores with equally few escapes, it
    is one that rejects the fewest good parts, at PLACE between two parts. None where no defective
    part that the regions leave can be rejected within ``allowed``, or where no part is good.
    """
    left = [part for part in parts if not part.is_rejected]
    good = sorted((part.score for part in left if not part.is_defective), reverse=True)
    if all(part.is_defective for part in parts):
        return None
    floor = max(good[allowed], LEAST) if allowed < len(good) else LEAST
    high = min((p.score for p in left if p.is_defective and p.score > floor), default=MOST + 1)
    if high > MOST:
        return None
    low = max((score for score in good if LEAST < score < high), default=LEAST)
    between = round(low + (high - low) * PLACE, 2)
    return between if low < between <= high else high


def _mistakes(left: Sequence[ScoredPart], threshold: float) -> int:
    return sum((part.score >= threshold) is not part.is_defective for part in left)
