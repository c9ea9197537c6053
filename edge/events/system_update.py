"""The states of an update of the system, on a unit with two slots."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.clock import boot_id, utc_now
from edge.events.payload import MAX_TEXT_CHARS, StationEvent
from edge.update_notes import SlotName, SystemNote, SystemState


class SystemUpdateEvent(StationEvent):
    """A state of an update of the system.

    An update is complete only with `accepted`. The status of the station names the version and the
    slot that run.
    """

    type: Literal["outfeed.system-update/1"] = Field(
        default="outfeed.system-update/1", description="type and version of the event"
    )
    change_id: str = Field(
        description="unique id of this state change; after a crash the journal may have it twice"
    )
    update_id: str = Field(description="id of the update, the same in all its states; may be empty")
    state: SystemState = Field(
        description="`downloaded`: the file is on the unit, and an accepted key signed it. "
        "`installed`: it is in the other slot and was read back. `trial`: the next start tries it. "
        "`accepted`: it works and is confirmed. `refused`: it was not installed, and nothing "
        "changed. `reverted`: the trial failed, or a person went back, and the other system runs"
    )
    version: str = Field(description="version of the update; empty where it cannot be read")
    slot: SlotName = Field(description="slot of the update, A or B; empty where there is none")
    reason: str = Field(description="the reason, one line; may be empty")
    running: str = Field(description="version of the system that reports this change")
    running_slot: SlotName = Field(description="slot of the system that reports this change")
    changed_utc: str = Field(description="time of the change of state, RFC 3339")


def system_update_event(station: str, note: SystemNote) -> SystemUpdateEvent:
    """Return the event of a change of state."""
    return SystemUpdateEvent(
        station=station,
        boot_id=boot_id(),
        utc=utc_now(),
        change_id=note.id,
        update_id=note.update_id,
        state=note.state,
        version=note.version,
        slot=note.target_slot,
        reason=note.reason[:MAX_TEXT_CHARS],
        running=note.running,
        running_slot=note.running_slot,
        changed_utc=note.utc,
    )
