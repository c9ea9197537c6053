"""The limit of false rejects within which a run decides, and what its good parts prove.

A limit of severity that lies above all but k of n held-back good parts is a tolerance limit (Wilks
1941, Annals of Mathematical Statistics 12:91). For parts of one population, the share of further
good parts above it has the Beta distribution of k + 1 and n - k, whatever the distribution of their
severities. Its upper bound is therefore valid although the limit was chosen on the same parts. Two
limits, one set after the other on the parts that are left, are a tolerance region (Tukey 1947,
Annals of Mathematical Statistics 18:529), with k + 2 in place of k + 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.evaluation.interval import (
    CONFIDENCE,
    counted,
    parts_to_prove,
    percent,
    upper_bound,
)

MAX_FALSE_REJECTS = 0.005  # share of the good parts, where no other limit is given


class Ranked(Protocol):
    """A part with a score and its truth."""

    @property
    def defective(self) -> bool: ...

    @property
    def score(self) -> float: ...


def escapes_at(outcomes: Sequence[Ranked], limit: float = MAX_FALSE_REJECTS) -> int:
    """Return the number of defective parts that pass when ``limit`` of the good parts are rejected.

    A part passes where its score is at most that of the best good part that must pass. All
    defective parts pass where no part is good.
    """
    bad = [outcome.score for outcome in outcomes if outcome.defective]
    good = sorted((outcome.score for outcome in outcomes if not outcome.defective), reverse=True)
    if not good:
        return len(bad)
    allowed = allowed_of(limit, len(good))
    return sum(score <= good[allowed] for score in bad) if allowed < len(good) else 0


def allowed_of(limit: float, good: int) -> int:
    """Return how many of ``good`` held-back good parts a limit, 0 to 1, allows to reject."""
    return math.floor(limit * good + 1e-9)


@dataclass(frozen=True, slots=True)
class FalseRejectPromise:
    """The false rejects that a run states for the good parts of the line.

    Attributes:
        limit: of the false reject rate, 0 to 1, within which the run decides.
        good: number of held-back good parts on which the limits of severity were set.
        rejected: number of them that these limits reject at most.
        cuts: number of limits of severity that were set: 1, or 2 with a decision head beside a map.
    """

    limit: float
    good: int
    rejected: int
    cuts: int = 1

    @property
    def is_within(self) -> bool:
        """Return true where the held-back good parts are within the limit."""
        return self.rejected <= allowed_of(self.limit, self.good)

    @property
    def upper(self) -> float:
        """The false reject rate, 0 to 1, that is not exceeded with CONFIDENCE (one-sided).

        It holds for good parts like the held-back ones. 1 where these are too few to tell.
        """
        beyond = self.rejected + self.cuts - 1
        return 1.0 if beyond >= self.good else upper_bound(beyond, self.good)

    @property
    def missing(self) -> int:
        """The number of further held-back good parts, none of them rejected, to prove the limit."""
        needed = parts_to_prove(self.limit, self.rejected + self.cuts - 1)
        return max(needed - self.good, 0)

    def per(self, parts: int) -> str:
        """Return the expected and the highest number of false rejects among ``parts`` good ones."""
        # The mean of the Beta distribution.
        expected = min((self.rejected + self.cuts) / (self.good + 1), 1.0)
        return (
            f"of {parts:,} good parts about {expected * parts:,.0f} are rejected, and with "
            f"{percent(CONFIDENCE)} confidence at most {math.ceil(self.upper * parts):,}"
        )

    def __str__(self) -> str:
        text = (
            f"false rejects {counted(self.rejected, self.good)} for a limit of "
            f"{percent(self.limit)}; with {percent(CONFIDENCE)} confidence the rate is at most "
            f"{percent(self.upper)}"
        )
        if not self.is_within:
            return f"{text}: the limit is not kept"
        if not self.missing:
            return f"{text}: the limit is proved"
        return f"{text}; {self.missing} more held-back good parts would prove the limit"
