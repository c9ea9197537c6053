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
from edge.errors import InboxError
from edge.files import open_folder, read_regular_file, write_atomically
from edge.validation_messages import describe

_log = getLogger(__name__)

MAX_WAITING = 256  # a station that is down for a day is not told more
MAX_NOTE_CHARS = 200
_MAX_BYTES = 4096
_SUFFIX = ".json"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

MarkKind = Literal["escape", "false-reject", "true-reject", "look", "self-test"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A person's mark on a part. escape: it passed and is bad. false-reject: it was ejected and is
    good. true-reject: it was ejected and is bad. look: to be reviewed. self-test: a known bad part,
    put on the belt to test the station. id: unique, for receivers that drop
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
            folder = self._open(make=True)
            try:
                if len(self._names(folder)) >= MAX_WAITING:
                    raise InboxError(
                        f"{self._folder}: {MAX_WAITING} marks wait already; is the station running?"
                    )
                owner = os.fstat(folder)
                data = _MARK.dump_json(mark)
                write_atomically(Path(_name(mark)), data, owner=owner, folder=folder)
            finally:
                os.close(folder)
        except FileNotFoundError as error:
            raise InboxError(
                f"{self._folder.parent}: is not there: no station has run on it yet"
            ) from error
        except OSError as error:
            raise InboxError(f"{self._folder}: cannot be written: {error.strerror}") from error

    def make(self) -> None:
        """See to it that the folder is there. Raises OSError."""
        os.close(self._open(make=True))

    def waiting(self, limit: int = 16) -> list[Mark]:
        """The oldest marks that are there. What is none is removed with one line in the log."""
        found: list[Mark] = []
        try:
            folder = self._open(make=False)
        except OSError:
            return found
        try:
            for name in sorted(self._names(folder)):
                if len(found) == limit:
                    break
                if name not in self._stuck and (mark := self._read(name, folder)) is not None:
                    found.append(mark)
        finally:
            os.close(folder)
        return found

    def remove(self, mark: Mark) -> None:
        """It has been dealt with."""
        try:
            folder = self._open(make=False)
        except OSError:
            return
        try:
            self._unlink(_name(mark), folder)
        finally:
            os.close(folder)

    def _open(self, *, make: bool) -> int:
        """A descriptor of the folder itself: everything below is done through it, so that nothing
        which is put in the folder's place meanwhile is ever touched. Raises OSError."""
        if not make:
            return open_folder(self._folder)
        parent = os.open(self._folder.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            made = True
            try:
                os.mkdir(self._folder.name, 0o750, dir_fd=parent)
            except FileExistsError:
                made = False
            folder = os.open(self._folder.name, _FOLDER, dir_fd=parent)
            if made and os.geteuid() == 0:
                owner = os.fstat(parent)
                os.fchown(folder, owner.st_uid, owner.st_gid)
            return folder
        finally:
            os.close(parent)

    def _names(self, folder: int) -> list[str]:
        return [
            name
            for name in os.listdir(folder)
            if name.endswith(_SUFFIX) and not name.startswith(".")
        ]

    def _read(self, name: str, folder: int) -> Mark | None:
        try:
            data = read_regular_file(name, _MAX_BYTES, folder=folder)
            if len(data) > _MAX_BYTES:
                raise InboxError(f"is larger than {_MAX_BYTES} bytes")
            mark = _MARK.validate_json(data, strict=True)
            if _name(mark) != name:
                raise InboxError("is not called what its id and time say")
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, InboxError) as error:
            reason = describe(error) if isinstance(error, ValidationError) else error
            _log.warning("mark_refused file=%r reason=%s", name, reason)
            self._unlink(name, folder)
            return None
        return mark

    def _unlink(self, name: str, folder: int) -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            if name not in self._stuck:
                _log.warning("mark_not_removed file=%r reason=%s", name, error.strerror)
            self._stuck.add(name)


def _name(mark: Mark) -> str:
    stamp = "".join(c for c in mark.utc if c.isalnum())
    return f"{stamp}-{mark.id}{_SUFFIX}"


_MARK = TypeAdapter(Mark)
