"""The rules by which pictures are stored, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from edge.records import Decision, Verdict


class KeepReason(str, Enum):
    """The reason to store a picture."""

    REJECT = "reject"
    UNKNOWN = "unknown"
    PASS = "pass"  # one of the good parts that pass_every selects
    BEFORE = "before"  # its part came shortly before a rejected or UNKNOWN part
    MARK = "mark"  # a person marked the part
    CRASH = "crash"  # it was in memory when the station crashed


@dataclass(frozen=True, slots=True)
class KeepRules:
    """The rules by which the recorder selects pictures.

    All rejected and UNKNOWN parts are selected. pass_every: one good part in this many is selected
    too; 0: none. before_parts: number of parts before a rejected or UNKNOWN part that are selected.
    """

    pass_every: int = 0
    before_parts: int = 0

    def reason(self, verdict: Verdict) -> KeepReason | None:
        """Return the reason to store this part's picture; None: it is not stored.

        Good parts are selected by their part number, so the selection does not depend on the
        verdicts on other parts.
        """
        if verdict.decision is Decision.REJECT:
            return KeepReason.REJECT
        if verdict.decision is Decision.UNKNOWN:
            return KeepReason.UNKNOWN
        if self.pass_every and verdict.part_id % self.pass_every == 0:
            return KeepReason.PASS
        return None
