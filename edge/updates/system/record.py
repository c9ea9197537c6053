"""The record of system updates on the data partition, which both slots read.

The version before and the version after read the same file. Therefore keys are only ever added,
unknown keys are kept out of the way, and a damaged record counts as an empty one.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.files import write_durably
from edge.updates.system.boot_state import BootStateError, Slot

FOLDER = Path("/data/system-update")
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


def read_record(folder: Path = FOLDER) -> SystemRecord:
    """Return the record; an empty one where there is none or it is damaged."""
    path = folder / "record.json"
    try:
        return SystemRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return SystemRecord()
    except (OSError, ValidationError) as error:
        _log.warning("system_record_unreadable path=%s reason=%s", path, str(error).split("\n")[0])
        return SystemRecord()


def write_record(record: SystemRecord, folder: Path = FOLDER) -> None:
    """Store the record on the disk before returning. Raises BootStateError."""
    path = folder / "record.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, record.model_dump_json(indent=1) + "\n", mode=0o644)
    except OSError as error:
        raise BootStateError(f"{path}: cannot be written: {error.strerror}") from error
