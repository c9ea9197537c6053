"""The folder of received pictures: complete ones, parts of one, and a limit of its size."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Lock
from typing import Protocol

from edge.errors import OutfeedError
from edge.files import read_regular_file, write_durably
from edge.pictures.file_name import PictureName, parse_name

_log = logging.getLogger(__name__)

_PARTS = 1000
"""Part numbers whose pictures share a folder."""

_PARTIAL = ".partial"
_REMOVED = "removed"
_FREED_SHARE = 0.05
_MAX_REMOVED_BYTES = 64


class HasPicture(Enum):
    """The presence of a picture in the folder. REMOVED: it was there, and was removed for space."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    NOTHING = "nothing"
    REMOVED = "removed"


class AppendResult(Enum):
    """The result of one piece of a picture. WRONG: the digest of the whole differs."""

    MORE = "more"
    COMPLETE = "complete"
    OTHER_OFFSET = "other offset"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class FolderState:
    """The presence of a picture, with the number of its bytes."""

    has: HasPicture
    offset: int = 0


class PicturesElsewhere(Protocol):
    """A place to which complete pictures are moved."""

    def has(self, key: str) -> bool:
        """Return whether it has the picture STATION/JOURNAL/THOUSANDS/NAME. Raises OutfeedError."""


class PictureFolder:
    """The pictures below one folder: STATION/JOURNAL/THOUSANDS/NAME.

    JOURNAL and NAME are those of the station (``PictureName``). So the pictures of a part are found
    by its journal and number, without a database. Above ``max_bytes`` the oldest received ones are
    removed. Any thread may call; calls for one picture are serialised by the caller.
    """

    def __init__(
        self, root: Path, max_bytes: int, elsewhere: PicturesElsewhere | None = None
    ) -> None:
        """Create the folder, and measure it. Blocks. Raises OSError.

        elsewhere: the place of pictures that were moved.
        """
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._elsewhere = elsewhere
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._used_bytes = sum(size for _, size, _ in self._files())

    @property
    def used_bytes(self) -> int:
        """The size of all pictures, complete or not."""
        return self._used_bytes

    def state(self, station: str, name: PictureName) -> FolderState:
        """Return what the folder, or the place of moved pictures, has of a picture.

        A place that does not answer has nothing: the picture is then received again.
        """
        path = self._path(station, name)
        own = _state_of(path)
        if own.has is not HasPicture.NOTHING:
            return own
        if name.number <= self._removed_to(station, name.journal):
            return FolderState(HasPicture.REMOVED)
        if self._elsewhere is not None:
            try:
                if self._elsewhere.has(path.relative_to(self._root).as_posix()):
                    return FolderState(HasPicture.COMPLETE)
            except OutfeedError as error:
                _log.warning("moved_pictures_unknown reason=%s", error)
        return FolderState(HasPicture.NOTHING)

    def append(
        self,
        station: str,
        name: PictureName,
        offset: int,
        piece: bytes,
        *,
        total: int,
        sha256: bytes,
    ) -> AppendResult:
        """Append a piece of a picture at ``offset``. Blocks for the disk. Raises OSError.

        The picture is complete with ``total`` bytes of the right digest. With another digest all of
        it is removed.
        """
        path = self._path(station, name)
        partial = path.with_name(path.name + _PARTIAL)
        if offset != _state_of(path).offset:
            return AppendResult.OTHER_OFFSET
        self._make_space(len(piece))
        with self._lock:  # ``remove`` takes away empty folders
            path.parent.mkdir(parents=True, exist_ok=True)
            file = partial.open("ab")
        with file:
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        self._count(len(piece))
        if offset + len(piece) < total:
            return AppendResult.MORE
        with partial.open("rb") as whole:
            digest = hashlib.sha256(whole.read(total + 1)).digest()
        if digest != sha256:
            partial.unlink()
            self._count(-(offset + len(piece)))
            return AppendResult.WRONG
        partial.replace(path)
        return AppendResult.COMPLETE

    def find(self, station: str, journal: str, part_id: int) -> list[Path]:
        """Return the pictures of a part, the oldest first. journal: its whole UUID."""
        return find_pictures(self._root, station, journal, part_id)

    def complete(self) -> list[tuple[str, Path]]:
        """Return STATION/JOURNAL/THOUSANDS/NAME and file of each complete picture, oldest first.

        Blocks for a listing of all folders.
        """
        paths = (path for _, _, path in sorted(self._files()) if parse_name(path.name) is not None)
        return [(path.relative_to(self._root).as_posix(), path) for path in paths]

    def store(self, key: str, data: bytes) -> Path:
        """Write a whole picture as STATION/JOURNAL/THOUSANDS/NAME. Blocks. Raises OSError."""
        path = self._root / key
        self._make_space(len(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data)
        self._count(len(data))
        return path

    def remove(self, path: Path) -> None:
        """Remove a picture of this folder that is somewhere else, and its folder if it is empty.

        Nothing happens where it was removed for space meanwhile. Raises OSError.
        """
        with self._lock:
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return
            self._used_bytes -= size
            if not any(path.parent.iterdir()):
                path.parent.rmdir()

    def _path(self, station: str, name: PictureName) -> Path:
        return self._root / folder_of(station, name.journal, name.part_id) / str(name)

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return time, size and path of each picture."""
        files = []
        for path in self._root.glob("*/*/*/*.png*"):
            try:
                state = path.stat()
            except OSError:
                continue
            files.append((state.st_mtime, state.st_size, path))
        return files

    def _count(self, change_bytes: int) -> None:
        with self._lock:
            self._used_bytes += change_bytes

    def _make_space(self, need_bytes: int) -> None:
        """Remove the oldest pictures until the piece fits, and some more."""
        with self._lock:
            if self._used_bytes + need_bytes <= self._max_bytes:
                return
            goal = self._max_bytes * (1 - _FREED_SHARE) - need_bytes
            files = sorted(self._files())
            self._used_bytes = sum(size for _, size, _ in files)
            for _, size, path in files:
                if self._used_bytes <= goal:
                    break
                name = parse_name(path.name.removesuffix(_PARTIAL))
                path.unlink(missing_ok=True)
                self._used_bytes -= size
                if name is not None:
                    self._note_removed(path.parents[1], name.number)

    def _note_removed(self, folder: Path, number: int) -> None:
        """Remember the highest removed number, so that a station does not send it again."""
        file = folder / _REMOVED
        if number > _number_in(file):
            write_durably(file, f"{number}\n".encode())

    def _removed_to(self, station: str, journal: str) -> int:
        return _number_in(self._root / station / journal / _REMOVED)


def _state_of(path: Path) -> FolderState:
    """Return the state of a picture by its files alone."""
    if path.is_file():
        return FolderState(HasPicture.COMPLETE, path.stat().st_size)
    partial = path.with_name(path.name + _PARTIAL)
    if partial.is_file():
        return FolderState(HasPicture.PARTIAL, partial.stat().st_size)
    return FolderState(HasPicture.NOTHING)


def folder_of(station: str, journal: str, part_id: int) -> str:
    """Return STATION/JOURNAL/THOUSANDS of the pictures of a part."""
    return f"{station}/{journal[:8]}/{part_id // _PARTS}"


def find_pictures(root: Path, station: str, journal: str, part_id: int) -> list[Path]:
    """Return the pictures of a part, the oldest first. Blocks for a listing of one folder.

    Args:
        root: The folder of all pictures.
        station: A station that the database knows.
        journal: The UUID of its journal.
        part_id: The number of the part.
    """
    folder = root / folder_of(station, journal, part_id)
    try:
        found = [(parse_name(path.name), path) for path in folder.iterdir()]
    except OSError:
        return []
    named = sorted((name, path) for name, path in found if name is not None)
    return [path for name, path in named if name.part_id == part_id]


def _number_in(file: Path) -> int:
    try:
        text = read_regular_file(file, _MAX_REMOVED_BYTES).decode("ascii").strip()
        return int(text) if text.isdigit() else -1
    except (OSError, ValueError):
        return -1
