"""Which parts' pictures are kept."""

from __future__ import annotations

from dataclasses import dataclass

from edge.pictures.buffered_frame import KeepReason
from edge.records import Decision, Verdict


@dataclass(frozen=True, slots=True)
class KeepRules:
    """pass_every: one good part in so many, 0 is none. before_parts: so many neighbours before a
    part that was rejected or UNKNOWN."""

    pass_every: int = 0
    before_parts: int = 0

    def reason(self, verdict: Verdict) -> KeepReason | None:
        """Why this part's picture is kept; None: it is not. Good parts are chosen by their number,
        so that the same parts are chosen whatever happened between them."""
        if verdict.decision is Decision.REJECT:
            return KeepReason.REJECT
        if verdict.decision is Decision.UNKNOWN:
            return KeepReason.UNKNOWN
        if self.pass_every and verdict.part_id % self.pass_every == 0:
            return KeepReason.PASS
        return None
