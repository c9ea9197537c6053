"""The states of a bundle that a signed desired state names."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from pydantic import Field

from edge.clock import boot_id, utc_now
from edge.events.payload import MAX_TEXT_CHARS, Payload, StationEvent
from edge.update_notes import UpdateNote, UpdateState


class TrialFiguresPayload(Payload):
    """The figures of a shadow or of a probation."""

    parts: int = Field(description="parts of the trial")
    rejects: int = Field(description="parts that the running bundle rejected in the shadow")
    new_rejects: int = Field(
        default=0, description="parts that only the new bundle rejected in the shadow"
    )
    new_rejects_upper: float = Field(
        default=1.0, description="upper 95 % bound of the share of new rejects, 0 to 1"
    )
    lost_rejects: int = Field(
        default=0, description="parts that only the running bundle rejected in the shadow"
    )
    marked: int = Field(
        default=0, description="parts marked true-reject or escape that the shadow inspected"
    )
    marked_missed: int = Field(
        default=0, description="those of the marked parts that the new bundle passed"
    )
    bundle_rejects: int = Field(default=0, description="parts that the new bundle rejected")
    unknown: int = Field(default=0, description="parts that the new bundle did not decide")
    p999_ms: float | None = Field(
        default=None,
        description="99.9th percentile of the new bundle's inspection time in milliseconds",
    )


class UpdateEvent(StationEvent):
    """A state of a desired bundle at a station.

    An update is complete only with `accepted`, and where `running` names the desired bundle.
    """

    type: Literal["outfeed.update/1"] = Field(
        default="outfeed.update/1", description="type and version of the event"
    )
    update_id: str = Field(
        description="unique id of this state change; after a crash the journal may have it twice"
    )
    desired_id: str = Field(
        description="id of the desired state: SHA-256 over prefix and text, 32 hex digits. Of a "
        "message that no operator signed: SHA-256 of the message"
    )
    revision: int | None = Field(
        description="revision of the desired state; null where it cannot be read"
    )
    name: str = Field(description="name of the desired bundle; empty where there is none")
    version: str = Field(description="version of the desired bundle; empty where there is none")
    sha256: str = Field(description="SHA-256 of the desired file; empty where there is none")
    state: UpdateState = Field(
        description="`wanted`: the desired state is valid and stored. `downloading`, `checking`, "
        "`shadow`, `probation`: this step has begun. `accepted`: the bundle runs and has passed "
        "its probation. `kept`: the desired state asks to stay, and no trial goes on. `refused`: "
        "the message or the bundle is refused, and the running bundle stays. `reverted`: the "
        "probation failed, and the old bundle runs again. `superseded`: a newer desired state "
        "ended this trial"
    )
    reason: str = Field(description="the reason, one line; may be empty")
    running: str = Field(description="id of the bundle that decides about parts now")
    figures: TrialFiguresPayload | None = Field(
        default=None, description="figures of the step that ended; null where there are none"
    )
    more: int = Field(
        default=0, description="refusals without an event of their own since the last one"
    )
    changed_utc: str = Field(description="time of the change of state, RFC 3339")


def update_event(station: str, note: UpdateNote) -> UpdateEvent:
    """Return the event of a change of state."""
    figures = note.figures
    return UpdateEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        update_id=note.id,
        desired_id=note.desired_id,
        revision=note.revision,
        name=note.name,
        version=note.version,
        sha256=note.sha256,
        state=note.state,
        reason=note.reason[:MAX_TEXT_CHARS],
        running=note.running,
        figures=None if figures is None else TrialFiguresPayload(**asdict(figures)),
        more=note.more,
        changed_utc=note.utc,
    )
