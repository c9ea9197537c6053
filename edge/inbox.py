"""What people tell a station while it runs: small files in a folder of its state.

A file is there whole or not at all, waits while the station is down, needs no socket that somebody
must listen to, and who may write it is who may write the folder. It is removed when what it says is
in the journal, so a crash in between repeats it: its id tells.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from logging import getLogger
from pathlib import Path
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import Field, TypeAdapter, ValidationError

from edge.clock import utc_now
from edge.complaints import describe
from edge.errors import InboxError
from edge.files import write_whole

_log = getLogger(__name__)

MAX_WAITING = 256  # a station that is down for a day is not told more
MAX_NOTE_CHARS = 200
_MAX_BYTES = 4096
_SUFFIX = ".json"

MarkKind = Literal["escape", "false-reject", "true-reject", "look", "sentinel"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A person's word on a part. escape: it was let by and is bad. false-reject: it was kicked and
    is good. true-reject: it was kicked and is bad. look: somebody shall look at it. sentinel: a
    known bad part, put on the belt to see whether it is found. id: unique, for receivers that drop
    repeats."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    part_id: Annotated[int, Field(ge=1)]
    kind: MarkKind
    note: Annotated[str, Field(max_length=MAX_NOTE_CHARS)]
    utc: Annotated[str, Field(max_length=40)]


def new_mark(part_id: int, kind: MarkKind, note: str) -> Mark:
    """A mark of now. note: at most MAX_NOTE_CHARS."""
    return Mark(uuid4().hex, part_id, kind, note, utc_now())


class Inbox:
    """The folder. ``post`` from any process; the rest by the station's one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stuck: set[str] = set()  # could not be removed; bounded by MAX_WAITING

    def post(self, mark: Mark) -> None:
        """Leave a mark for the station. What root writes belongs to whom the state belongs, so that
        the station can read and remove it. Blocks for an fsync. Raises InboxError."""
        try:
            self.make()
            if len(self._names()) >= MAX_WAITING:
                raise InboxError(
                    f"{self._folder}: {MAX_WAITING} marks wait already; is the station running?"
                )
            data = _MARK.dump_json(mark)
            write_whole(self._path(mark), data, owner=self._folder.stat())
        except FileNotFoundError as error:
            raise InboxError(
                f"{self._folder.parent}: is not there: no station has run on it yet"
            ) from error
        except OSError as error:
            raise InboxError(f"{self._folder}: cannot be written: {error.strerror}") from error

    def make(self) -> None:
        """See to it that the folder is there. Raises OSError."""
        if not self._folder.is_dir():
            self._folder.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                owner = self._folder.parent.stat()
                os.chown(self._folder, owner.st_uid, owner.st_gid)

    def waiting(self, limit: int = 16) -> list[Mark]:
        """The oldest marks that are there. What is none is removed with one line in the log."""
        found: list[Mark] = []
        for name in sorted(self._names()):
            if len(found) == limit:
                break
            if name not in self._stuck and (mark := self._read(self._folder / name)) is not None:
                found.append(mark)
        return found

    def remove(self, mark: Mark) -> None:
        """It has been dealt with."""
        self._unlink(self._path(mark))

    def _path(self, mark: Mark) -> Path:
        stamp = "".join(c for c in mark.utc if c.isalnum())
        return self._folder / f"{stamp}-{mark.id}{_SUFFIX}"

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._folder) as entries:
                return [
                    entry.name
                    for entry in entries
                    if entry.name.endswith(_SUFFIX) and not entry.name.startswith(".")
                ]
        except OSError:
            return []

    def _read(self, path: Path) -> Mark | None:
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
            if len(data) > _MAX_BYTES:
                raise InboxError(f"is larger than {_MAX_BYTES} bytes")
            mark = _MARK.validate_json(data, strict=True)
            if self._path(mark) != path:
                raise InboxError("is not called what its id and time say")
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, InboxError) as error:
            reason = describe(error) if isinstance(error, ValidationError) else error
            _log.warning("mark_refused file=%s reason=%s", path.name, reason)
            self._unlink(path)
            return None
        return mark

    def _unlink(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            if path.name not in self._stuck:
                _log.warning("mark_not_removed file=%s reason=%s", path.name, error.strerror)
            self._stuck.add(path.name)


_MARK = TypeAdapter(Mark)
