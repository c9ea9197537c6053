"""The inbox of a station: a folder of small files with the marks of people, the answers to their
commands, and the states of updates.

Files are written atomically. They wait while the station is stopped, and need no socket. The right
to write the folder is the right to mark parts. A file is removed after the journal has its mark on
the disk. After a crash in between, the journal has the mark twice, with the same id.

``edge.commands`` and ``edge.updates`` decide in processes of their own, and ``outfeed system`` runs
as root. Their answers and states take the same way to the journal, which only the station writes.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from logging import getLogger
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import Field, TypeAdapter, ValidationError

from edge.clock import utc_now
from edge.errors import InboxError
from edge.files import open_folder, read_regular_file, write_atomically
from edge.update_notes import SystemNote, UpdateNote
from edge.validation_messages import describe

_log = getLogger(__name__)

MAX_WAITING = 256  # marks in the folder, for instance while the station is stopped
MAX_NOTE_CHARS = 200
MAX_REASON_CHARS = 400
MAX_PAGE_MARKS = 240
"""The most marks in an hour that the station takes from its page."""
_MAX_BYTES = 4096
_MOST_FILES = 1024
_HOUR_S = 3600.0
_SUFFIX, _ANSWER_SUFFIX, _UPDATE_SUFFIX, _SYSTEM_SUFFIX = ".json", ".answer", ".update", ".system"
_SUFFIXES = (_SUFFIX, _ANSWER_SUFFIX, _UPDATE_SUFFIX, _SYSTEM_SUFFIX)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

MarkKind = Literal["escape", "false-reject", "true-reject", "look", "self-test"]

PAGE_KINDS: tuple[MarkKind, ...] = ("escape", "false-reject", "true-reject", "look")
"""The kinds of marks from the page. A mark ``self-test`` can change verdicts and is not one."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a person on one part.

    id: unique, for receivers that drop repeats. kind: ``escape``: the part passed and is bad.
    ``false-reject``: it was ejected and is good. ``true-reject``: it was ejected and is bad.
    ``look``: it is to be reviewed. ``self-test``: a known bad part, put on the belt as a test.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    part_id: Annotated[int, Field(ge=1)]
    kind: MarkKind
    note: Annotated[str, Field(max_length=MAX_NOTE_CHARS)]
    utc: Annotated[str, Field(max_length=40)]


AnswerState = Literal["accepted", "refused", "done", "failed"]


@dataclass(frozen=True, slots=True)
class StationAnswer:
    """The answer to a signed command. The fields are those of ``edge.events.command``."""

    command_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kind: Annotated[str, Field(max_length=40)]
    state: AnswerState
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS)]
    key: Annotated[str, Field(pattern=r"^([0-9a-f]{16})?$")]
    counter: Annotated[int | None, Field(ge=0)]
    more: Annotated[int, Field(ge=0)]
    utc: Annotated[str, Field(max_length=40)]

    @property
    def id(self) -> str:
        """Return a text that no other answer has."""
        return f"{self.command_id}-{self.state}-{self.utc}"


InboxItem = Mark | StationAnswer | UpdateNote | SystemNote
"""The content of a file of the inbox."""


def new_mark(part_id: int, kind: MarkKind, note: str) -> Mark:
    """Return a new mark with the present time. note: at most MAX_NOTE_CHARS characters."""
    return Mark(uuid4().hex, part_id, kind, note, utc_now())


class Inbox:
    """The folder of marks. Any process may call ``post``; one thread of the station the rest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stuck: set[str] = set()  # names of files that could not be removed

    def post(self, item: InboxItem) -> None:
        """Write a mark or an answer for the station. One that waits already is written again.

        A file that root writes gets the owner of the folder, so that the station can remove it.
        Blocks for an fsync. Raises InboxError.
        """
        try:
            folder = self._open(make=True)
            try:
                if len(self._names(folder)) >= MAX_WAITING:
                    raise InboxError(
                        f"{self._folder}: {MAX_WAITING} files wait already; is the station running?"
                    )
                owner = os.fstat(folder)
                data = _KINDS[_suffix(item)].dump_json(item)
                write_atomically(Path(_name(item)), data, owner=owner, folder=folder)
            finally:
                os.close(folder)
        except FileNotFoundError as error:
            raise InboxError(
                f"{self._folder.parent}: is missing: no station has run on it yet"
            ) from error
        except OSError as error:
            raise InboxError(f"{self._folder}: cannot be written: {error.strerror}") from error

    def make(self) -> None:
        """Create the folder if it is missing. Raises OSError."""
        os.close(self._open(make=True))

    def has(self, item: InboxItem) -> bool:
        """Return True while the file of this item waits. Raises InboxError if it is not known."""
        try:
            folder = self._open(make=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise InboxError(f"{self._folder}: cannot be read: {error.strerror}") from error
        try:
            return _name(item) in self._names(folder)
        except OSError as error:
            raise InboxError(f"{self._folder}: cannot be read: {error.strerror}") from error
        finally:
            os.close(folder)

    def waiting(self, limit: int = 16) -> list[InboxItem]:
        """Return the oldest items. An invalid file is removed and logged."""
        marks: list[InboxItem] = []
        try:
            folder = self._open(make=False)
        except OSError:
            return marks
        try:
            for name in sorted(self._names(folder)):
                if len(marks) == limit:
                    break
                if name not in self._stuck and (mark := self._read(name, folder)) is not None:
                    marks.append(mark)
        finally:
            os.close(folder)
        return marks

    def remove(self, mark: InboxItem) -> None:
        """Remove the file of an item that is in the journal."""
        try:
            folder = self._open(make=False)
        except OSError:
            return
        try:
            self._unlink(_name(mark), folder)
        finally:
            os.close(folder)

    def _open(self, *, make: bool) -> int:
        """Return a descriptor of the folder. Raises OSError.

        All further steps use it, so that a folder which replaces this one meanwhile is not touched.
        """
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
            if name.endswith(_SUFFIXES) and not name.startswith(".")
        ]

    def _read(self, name: str, folder: int) -> InboxItem | None:
        try:
            data = read_regular_file(name, _MAX_BYTES, folder=folder)
            if len(data) > _MAX_BYTES:
                raise InboxError(f"is larger than {_MAX_BYTES} bytes")
            mark: InboxItem = _KINDS[Path(name).suffix].validate_json(data, strict=True)
            if _name(mark) != name:
                raise InboxError("its name does not match its id and time")
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


class PageMarks(Inbox):
    """The folder of marks that the page of the station writes, as the station reads it.

    The page runs as another user. The station only reads its folder and never waits for it. It
    takes marks of four kinds, at most ``MAX_PAGE_MARKS`` an hour, and no answers to commands. The
    page removes a file when it finds the mark in the journal. A mark that is still there at the
    next start is journalled once more, with the same id.
    """

    def __init__(self, folder: Path, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(folder)
        self._now_s = now_s
        self._taken_s: deque[float] = deque()

    def waiting(self, limit: int = 4) -> list[InboxItem]:
        """Return the oldest marks that were not returned before."""
        now_s = self._now_s()
        while self._taken_s and now_s - self._taken_s[0] > _HOUR_S:
            self._taken_s.popleft()
        found = super().waiting(min(limit, MAX_PAGE_MARKS - len(self._taken_s)))
        taken: list[InboxItem] = [
            each for each in found if isinstance(each, Mark) and each.kind in PAGE_KINDS
        ]
        for each in found:
            if each not in taken:
                _log.warning("page_mark_refused id=%s", each.id)
                self.remove(each)
        return taken

    def remove(self, mark: InboxItem) -> None:
        """Remember that this mark is in the journal. The page removes its file."""
        self._taken_s.append(self._now_s())
        self._stuck.add(_name(mark))

    def _names(self, folder: int) -> list[str]:
        with os.scandir(folder) as entries:
            names = [each.name for each in islice(entries, _MOST_FILES)]
        marks = [each for each in names if each.endswith(_SUFFIX) and not each.startswith(".")]
        self._stuck &= set(marks)
        return marks

    def _unlink(self, name: str, folder: int) -> None:
        self._stuck.add(name)


def _suffix(item: InboxItem) -> str:
    if isinstance(item, Mark):
        return _SUFFIX
    if isinstance(item, SystemNote):
        return _SYSTEM_SUFFIX
    return _ANSWER_SUFFIX if isinstance(item, StationAnswer) else _UPDATE_SUFFIX


def _name(item: InboxItem) -> str:
    stamp = "".join(c for c in item.utc if c.isalnum())
    if isinstance(item, StationAnswer):
        return f"{stamp}-{item.command_id}-{item.state}{_ANSWER_SUFFIX}"
    return f"{stamp}-{item.id}{_suffix(item)}"


_KINDS: dict[str, TypeAdapter[Any]] = {
    _SUFFIX: TypeAdapter(Mark),
    _ANSWER_SUFFIX: TypeAdapter(StationAnswer),
    _UPDATE_SUFFIX: TypeAdapter(UpdateNote),
    _SYSTEM_SUFFIX: TypeAdapter(SystemNote),
}
