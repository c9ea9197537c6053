"""One marked part in the quarantine, and the conditions for its release."""

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
# A UUID as Python writes it. It becomes part of a file name, so no other text is accepted.
JournalId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_Text = Annotated[str, Field(max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MarkNote(_Part):
    """A mark as the person wrote it to the inbox of the station."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kind: MarkKind
    note: Annotated[str, Field(max_length=MAX_NOTE_CHARS)]
    utc: Annotated[str, Field(max_length=40)]


class RecordedVerdict(_Part):
    """The verdict of the station on the part.

    digest: SHA-256 of the bundle; '' where the verdict comes from the journal, which has only the
    id of the bundle.
    """

    bundle: _Text
    digest: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    decision: Literal["PASS", "REJECT", "UNKNOWN"]
    reason: _Text
    peak_severity: float


class CopiedPicture(_Part):
    """A copied picture.

    sha256: of the file. pixels_sha256: of the inspected pixels (edge/pictures/record.py).
    """

    sha256: Sha256
    pixels_sha256: Sha256


class Release(_Part):
    """The confirmation of a claim by an engineer.

    It is valid for these pixels and these marks. A later mark makes it void.
    """

    claim: Claim
    by: Annotated[str, Field(min_length=1, max_length=100)]
    utc: Annotated[str, Field(max_length=40)]
    pixels_sha256: Sha256
    marks: tuple[str, ...]


class QuarantineEntry(_Part):
    """A part that a person marked as good or bad.

    claim: the claim of its marks; None if they contradict one another. doubts: reasons why an
    engineer must decide on this part by name. judged: the verdict of the station. picture: None if
    there is none; ``missing`` is the reason.
    """

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
        """The unique id of the part, and the stem of its picture's file name."""
        return f"{self.journal}-{self.part_id}"

    @property
    def file(self) -> str:
        """The path of its picture inside the folder, built from validated values."""
        return f"pictures/{self.id}.png"

    @property
    def released(self) -> Claim | None:
        """The released claim.

        None before a release, or if pixels or marks have changed since.
        """
        release = self.release
        if release is None or self.picture is None:
            return None
        same = release.pixels_sha256 == self.picture.pixels_sha256
        return release.claim if same and set(release.marks) == self.mark_ids else None

    @property
    def mark_ids(self) -> set[str]:
        return {mark.id for mark in self.marks}


def combine_marks(
    marks: Sequence[Mark | MarkNote], decision: Decision | None
) -> tuple[Claim | None, tuple[str, ...]]:
    """Return the common claim of a part's marks, and the doubts about it.

    Two marks that contradict each other give no claim. A ``look`` after a claim is a doubt, and so
    is a verdict that does not fit the claim. A ``self-test`` is a known bad part, so it cannot be a
    false reject.

    Args:
        marks: All marks of the part, the oldest first.
        decision: The decision of the station; None: not known.
    """
    claims: list[Claim] = [mark.kind for mark in marks if mark.kind in _DECIDED]
    doubts: list[str] = []
    claim: Claim | None = claims[0] if len(set(claims)) == 1 else None
    if len(set(claims)) > 1:
        listed = ", then ".join(f"{mark.kind} ({mark.utc})" for mark in marks)
        doubts.append(f"its marks contradict each other: {listed}")
    elif claim == "false-reject" and any(mark.kind == "self-test" for mark in marks):
        doubts.append("marked false-reject, and self-test, which is a known bad part")
    elif claim is not None and marks[-1].kind == "look":
        doubts.append(f"marked {claim}, and later ({marks[-1].utc}) to be looked at")
    if decision is None:
        doubts.append("the decision of the station is not known any more")
    elif claim is not None and decision is not _DECIDED[claim]:
        doubts.append(f"marked {claim}, and the decision was {decision.value}")
    return claim, tuple(doubts)
