"""What a demo did, against what was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.records import Decision, Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """A part's verdict beside the truth. truth: the kind of its defect, None for a good part.
    known: False where nothing says which parts are good; then nothing is a false reject."""

    verdict: Verdict
    truth: str | None
    known: bool = True

    @property
    def is_escape(self) -> bool:
        """Defective, and passed."""
        return self.truth is not None and self.verdict.decision is Decision.PASS

    @property
    def is_false_reject(self) -> bool:
        """Good, and rejected for a defect."""
        return self.known and self.truth is None and self.verdict.decision is Decision.REJECT


@dataclass(frozen=True, slots=True)
class Kicks:
    """wrong: parts hit that should have gone by. missed: parts that should have been hit and were
    not. air: pulses that hit nothing."""

    right: int
    wrong: tuple[int, ...]
    missed: tuple[int, ...]
    air: int


@dataclass(frozen=True, slots=True)
class Carried:
    """Events in the journal, confirmed by the broker, and received once by central."""

    journalled: int
    published: int
    received: int

    @property
    def complete(self) -> bool:
        return self.journalled == self.published == self.received


def compare_kicks(
    hits: Sequence[Sequence[int]], verdicts: Mapping[int, Verdict], *, kick_unknown: bool
) -> Kicks:
    """hits: per pulse, the numbers of the parts it struck (SimulatedBelt.hits)."""
    wanted = {
        number
        for number, verdict in verdicts.items()
        if verdict.decision is Decision.REJECT
        or (verdict.decision is Decision.UNKNOWN and kick_unknown)
    }
    struck = {number for pulse in hits for number in pulse}
    return Kicks(
        right=len(struck & wanted),
        wrong=tuple(sorted(struck - wanted)),
        missed=tuple(sorted(wanted - struck)),
        air=sum(not pulse for pulse in hits),
    )
