"""The records of the uplink beside its cursor: its state, and events that the broker refused.

They are two files in the folder of the uplink, and `outfeed doctor` reads them. The uplink never
writes to the journal of the station.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.clock import utc_now
from edge.files import read_regular_file, write_atomically

log = logging.getLogger(__name__)

# Most bytes of the table. Its older half is removed when it is full. The unit limits each file of
# the uplink to 16 MiB.
MAX_TABLE_BYTES = 8 << 20
_MAX_STATE_BYTES = 64 << 10

# Replacing a file writes 74 kB on ext4 (docs/decisions/0022), so it is not done for every count.
_COUNT_S = 60.0


class UndeliveredEvent(BaseModel):
    """An event that the broker refused for a lasting reason, with its payload."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: str
    utc: str
    reason: str
    payload: str


class UplinkState(BaseModel):
    """The state of the uplink, as it last wrote it.

    trouble: the reason why no event can be sent now; empty while events can be sent. since_utc: the
    time at which the trouble began. undelivered: number of events that the broker refused, since
    the folder was created. unheard: number of events that the broker accepted without a subscriber.
    takeovers: connections in a row that ended because another client used the same client id.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    trouble: str = ""
    since_utc: str = ""
    undelivered: int = Field(default=0, ge=0)
    last_undelivered: str = ""
    unheard: int = Field(default=0, ge=0)
    takeovers: int = Field(default=0, ge=0)


@dataclass(frozen=True, slots=True)
class UplinkPaths:
    """The paths of the two files."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "uplink.state.json"

    @property
    def table(self) -> Path:
        return self.folder / "uplink.undelivered.jsonl"


class UplinkStateFile:
    """Writes both files. An error of the disk is logged, and the counts continue in memory."""

    def __init__(self, folder: Path) -> None:
        """Read the present state. Raises no error."""
        self._paths = UplinkPaths(folder)
        self.state = read_state(folder)
        self._saved = self.state
        self._saved_s = time.monotonic()
        self._has_warned = False

    def change(self, **fields: object) -> None:
        """Change the state in memory; ``save`` writes it."""
        self.state = self.state.model_copy(update=fields)

    def set_aside(self, event_id: str, payload: bytes, reason: str) -> None:
        """Append an event to the table and count it. Blocks for an fsync."""
        row = UndeliveredEvent(
            event_id=event_id,
            utc=utc_now(),
            reason=reason,
            payload=payload.decode("utf-8", "replace"),
        )
        log.error("event_undeliverable event=%s reason=%s", event_id, reason)
        self.change(
            undelivered=self.state.undelivered + 1, last_undelivered=f"{event_id}: {reason}"
        )
        try:
            self._append(row.model_dump_json().encode() + b"\n")
        except OSError as error:
            self._warn(error)

    def save(self, *, at_once: bool = False) -> None:
        """Write the state if it has changed. Blocks for an fsync.

        A change of only ``unheard`` is written once a minute, unless at_once.
        """
        saved = self._saved.model_copy(update={"unheard": self.state.unheard})
        is_late = at_once or time.monotonic() - self._saved_s > _COUNT_S
        if self.state == self._saved or (self.state == saved and not is_late):
            return
        self._saved_s = time.monotonic()
        try:
            write_atomically(self._paths.state, self.state.model_dump_json().encode(), mode=0o640)
        except OSError as error:
            self._warn(error)
        else:
            self._saved, self._has_warned = self.state, False

    def _append(self, line: bytes) -> None:
        path = self._paths.table
        try:
            table = read_regular_file(path, MAX_TABLE_BYTES)
        except FileNotFoundError:
            table = b""
        if len(table) + len(line) > MAX_TABLE_BYTES:
            table = table[len(table) // 2 :].partition(b"\n")[2]
            write_atomically(path, table + line, mode=0o640)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o640)
        try:
            # A line that was cut short, by a crash or a full disk, must not damage this one.
            begin = b"" if not table or table.endswith(b"\n") else b"\n"
            os.write(descriptor, begin + line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _warn(self, error: OSError) -> None:
        level = logging.DEBUG if self._has_warned else logging.WARNING
        log.log(level, "uplink_cannot_record reason=%s", error)
        self._has_warned = True


def read_state(folder: Path) -> UplinkState:
    """Return the last written state; a new one if the file is missing or damaged."""
    try:
        data = read_regular_file(UplinkPaths(folder).state, _MAX_STATE_BYTES)
        return UplinkState.model_validate_json(data)
    except (OSError, ValidationError):
        return UplinkState()


def read_undelivered(folder: Path) -> list[UndeliveredEvent]:
    """Return the rows of the table, the oldest first, without damaged ones; none if it is missing.

    Raises OSError.
    """
    try:
        data = read_regular_file(UplinkPaths(folder).table, MAX_TABLE_BYTES)
    except FileNotFoundError:
        return []
    rows = []
    for line in data.splitlines():
        try:
            rows.append(UndeliveredEvent.model_validate_json(line))
        except ValidationError:
            continue
    return rows
