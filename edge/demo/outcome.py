"""The results of a demo compared with the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.records import Decision, Verdict


@dataclass(frozen=True, slots=True)
class DemoPart:
    """The verdict on a part and the truth."""

    verdict: Verdict

    truth: str | None
    """The kind of the defect; None for a good part."""

    known: bool = True
    """False: neither masks nor folders show which parts are good. No part is a false reject."""

    @property
    def is_escape(self) -> bool:
        """Return whether the part is defective and passed."""
        return self.truth is not None and self.verdict.decision is Decision.PASS

    @property
    def is_false_reject(self) -> bool:
        """Return whether the part is good and was rejected."""
        return self.known and self.truth is None and self.verdict.decision is Decision.REJECT


@dataclass(frozen=True, slots=True)
class EjectionResult:
    """The ejected parts compared with the verdicts."""

    right: int
    """The number of parts that were ejected correctly."""

    wrong: tuple[int, ...]
    """Parts that were ejected and should have passed."""

    missed: tuple[int, ...]
    """Parts that should have been ejected and were not."""

    empty: int
    """The number of pulses that hit no part."""


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """Numbers of events: in the journal, acknowledged by the broker, received by central once."""

    journalled: int
    published: int
    received: int

    @property
    def complete(self) -> bool:
        """Return whether the three numbers are the same."""
        return self.journalled == self.published == self.received


def compare_ejections(
    hits: Sequence[Sequence[int]], verdicts: Mapping[int, Verdict], *, eject_unknown: bool
) -> EjectionResult:
    """Compare the hits of the ejector with the verdicts.

    hits: for each pulse the numbers of the parts that it hit (SimulatedBelt.hits).
    """
    wanted = {
        number
        for number, verdict in verdicts.items()
        if verdict.decision is Decision.REJECT
        or (verdict.decision is Decision.UNKNOWN and eject_unknown)
    }
    struck = {number for pulse in hits for number in pulse}
    return EjectionResult(
        right=len(struck & wanted),
        wrong=tuple(sorted(struck - wanted)),
        missed=tuple(sorted(wanted - struck)),
        empty=sum(not pulse for pulse in hits),
    )
