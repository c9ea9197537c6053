"""One marked part, and what has to be so before anything is learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.inbox import MAX_NOTE_CHARS, Mark, MarkKind
from edge.records import Decision

Claim = Literal["escape", "false-reject", "true-reject"]
_DECIDED: dict[Claim, Decision] = {
    "escape": Decision.PASS,
    "false-reject": Decision.REJECT,
    "true-reject": Decision.REJECT,
}
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A journal's uuid as Python writes it; it becomes a file's name, so nothing else may stand there.
JournalId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_Text = Annotated[str, Field(max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MarkNote(_Part):
    """A person's word, as it was left in the station's inbox."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kind: MarkKind
    note: Annotated[str, Field(max_length=MAX_NOTE_CHARS)]
    utc: Annotated[str, Field(max_length=40)]


class RecordedVerdict(_Part):
    """What the station said of the part. digest: SHA-256 of the bundle, '' where only the journal
    tells, which has the bundle's id alone."""

    bundle: _Text
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    decision: Literal["PASS", "REJECT", "UNKNOWN"]
    reason: _Text
    peak_severity: float


class CopiedPicture(_Part):
    """A picture that was copied. sha256: of the file; pixels_sha256: of what the station judged
    (edge/pictures/record.py)."""

    sha256: Sha256
    pixels_sha256: Sha256


class Release(_Part):
    """An engineer's word that the part is what ``claim`` says. It holds for these pixels and these
    marks: a mark that comes later makes it void."""

    claim: Claim
    by: Annotated[str, Field(min_length=1, max_length=100)]
    utc: Annotated[str, Field(max_length=40)]
    pixels_sha256: Sha256
    marks: tuple[str, ...]


class QuarantineEntry(_Part):
    """A part of which somebody said whether it is bad. claim: what the marks say; None where they
    contradict one another. doubts: why a person must look at it before it is released by name.
    picture: None where there is none, and ``missing`` says why."""

    station: _Text
    journal: JournalId
    boot_id: _Text
    part_id: int = Field(ge=1)
    seen_utc: Annotated[str, Field(max_length=40)]
    marks: tuple[MarkNote, ...] = Field(min_length=1)
    claim: Claim | None
    doubts: tuple[_Text, ...] = ()
    judged: RecordedVerdict | None
    picture: CopiedPicture | None
    missing: str = Field(default="", max_length=400)
    release: Release | None = None

    @property
    def id(self) -> str:
        """Unique for ever; the stem of the picture's file."""
        return f"{self.journal}-{self.part_id}"

    @property
    def file(self) -> str:
        """Where its picture lies inside the folder; made of what was checked, never read."""
        return f"pictures/{self.id}.png"

    @property
    def released(self) -> Claim | None:
        """What may be learned from it: None before an engineer said so, or when pixels or marks are
        not those that the engineer saw."""
        release = self.release
        if release is None or self.picture is None:
            return None
        same = release.pixels_sha256 == self.picture.pixels_sha256
        return release.claim if same and set(release.marks) == self.mark_ids else None

    @property
    def mark_ids(self) -> set[str]:
        return {mark.id for mark in self.marks}


def weigh(
    marks: Sequence[Mark | MarkNote], decision: Decision | None
) -> tuple[Claim | None, tuple[str, ...]]:
    """What the marks of one part, the oldest first, say together, and what speaks against it.

    Nothing is guessed: two marks that contradict each other give no claim, a ``look`` after a claim
    takes it back into doubt, and so does a verdict that the claim does not fit. A ``self-test`` is
    a known bad part, so it is no false reject.
    """
    said: list[Claim] = [mark.kind for mark in marks if mark.kind in _DECIDED]
    doubts: list[str] = []
    claim: Claim | None = said[0] if len(set(said)) == 1 else None
    if len(set(said)) > 1:
        told = ", then ".join(f"{mark.kind} ({mark.utc})" for mark in marks)
        doubts.append(f"its marks contradict each other: {told}")
    elif claim == "false-reject" and any(mark.kind == "self-test" for mark in marks):
        doubts.append("marked false-reject, and self-test, which is a known bad part")
    elif claim is not None and marks[-1].kind == "look":
        doubts.append(f"marked {claim}, and later ({marks[-1].utc}) to be looked at")
    if decision is None:
        doubts.append("what was decided is not known any more")
    elif claim is not None and decision is not _DECIDED[claim]:
        doubts.append(f"marked {claim}, and the decision was {decision.value}")
    return claim, tuple(doubts)
