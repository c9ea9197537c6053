"""The record of system updates on the data partition, which both slots read.

The version before and the version after read the same file. Therefore keys are only ever added,
unknown keys are kept out of the way, and a damaged record counts as an empty one. The initrd reads
the lines of ``phase`` and ``slot``, which no note has under these names.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.clock import utc_now
from edge.errors import InboxError
from edge.files import write_durably
from edge.inbox import Inbox
from edge.update_notes import SystemNote, SystemState
from edge.updates.system.boot_loader import SystemImage
from edge.updates.system.boot_state import BootStateError, Slot

FOLDER = Path("/data/system-update")
MAX_OUTBOX = 32
"""Changes of state that wait for the inbox of the station; older ones are dropped."""
_log = logging.getLogger(__name__)

Phase = Literal["none", "installed", "trial", "accepted", "reverted"]


class Function(BaseModel):
    """The functions that worked before the switch. They have to work after it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    station: bool = Field(default=False, description="the station was READY")
    broker: bool = Field(default=False, description="the uplink was connected")


class SystemRecord(BaseModel):
    """The last update of the system.

    ``version`` and ``slot`` are those of the update. ``previous`` is the version before.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = Field(default=1, description="raised where older versions cannot read it")
    phase: Phase = Field(default="none", description="state of the update")
    version: str = Field(default="", description="version of the update")
    slot: Slot | None = Field(default=None, description="slot of the update")
    previous: str = Field(default="", description="version that ran before")
    before: Function = Field(default_factory=Function, description="what worked before the switch")
    reason: str = Field(default="", description="why it was reverted; empty otherwise")
    boot: str = Field(default="", description="boot of the machine in which the switch was made")
    update_id: str = Field(default="", description="id of the update in its events")
    outbox: tuple[SystemNote, ...] = Field(
        default=(), description="changes of state that the inbox of the station does not have yet"
    )

    def with_note(self, note: SystemNote) -> SystemRecord:
        """Return the record with a further change for the journal."""
        return self.model_copy(update={"outbox": (*self.outbox, note)[-MAX_OUTBOX:]})


def record_path(folder: Path = FOLDER) -> Path:
    """Return the file of the record in its folder."""
    return folder / "record.json"


def read_record(folder: Path = FOLDER) -> SystemRecord:
    """Return the record; an empty one where there is none or it is damaged."""
    path = record_path(folder)
    try:
        return SystemRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return SystemRecord()
    except (OSError, ValidationError) as error:
        _log.warning("system_record_unreadable path=%s reason=%s", path, str(error).split("\n")[0])
        return SystemRecord()


def write_record(record: SystemRecord, folder: Path = FOLDER) -> None:
    """Store the record on the disk before returning. Raises BootStateError."""
    path = record_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, record.model_dump_json(indent=1) + "\n", mode=0o644)
    except OSError as error:
        raise BootStateError(f"{path}: cannot be written: {error.strerror}") from error


def note_of(
    update: SystemRecord, state: SystemState, image: SystemImage, reason: str = ""
) -> SystemNote:
    """Return the change of state of an update. image: the system that runs."""
    return SystemNote(
        id=uuid4().hex,
        update_id=update.update_id,
        state=state,
        version=update.version[:100],
        target_slot=update.slot or "",
        running=image.version[:100],
        running_slot=image.slot,
        reason=reason[:400],
        utc=utc_now(),
    )


def deliver_notes(inbox: Inbox, folder: Path = FOLDER) -> None:
    """Bring the changes of state to the inbox of the station, as far as possible now. Blocks.

    What cannot be delivered waits for the next command of ``outfeed system``, or the next start.
    After a power cut the inbox may have a change twice, with the same id.
    """
    record = read_record(folder)
    left = list(record.outbox)
    try:
        while left:
            inbox.post(left[0])
            del left[0]
    except InboxError as error:
        _log.warning("system_notes_wait count=%d reason=%s", len(left), error)
    if len(left) < len(record.outbox):
        write_record(record.model_copy(update={"outbox": tuple(left)}), folder)
