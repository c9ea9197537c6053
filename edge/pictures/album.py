"""The pictures on the disk."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from enum import Enum
from logging import getLogger
from pathlib import Path

from edge.errors import PictureError
from edge.files import write_atomically
from edge.pictures.file_name import PictureName, list_album
from edge.pictures.png import read_text, with_text
from edge.pictures.record import PictureRecord, parse_record

_log = getLogger(__name__)

# What a file costs beside its content: inode, folder and the file system's own journal. ext4,
# measured by bench/disk_usage.py.
FILE_COST_BYTES = 37 * 1024
_BLOCK_BYTES = 4096
_PART = ".part"


class SkippedPicture(str, Enum):
    """Why a picture that should be kept is not."""

    PER_DAY = "per_day"
    TOO_LARGE = "too_large"
    NO_ROOM = "no_room"
    DISK = "disk"
    OVERFLOW = "overflow"


class Album:
    """A folder of at most ``max_bytes`` of pictures; the oldest go first, also before the disk has
    less than half of ``min_free_bytes`` left, whoever fills it.

    A file is there whole or not at all. Its folder is not synced: after a power loss the last
    picture may be missing, and a flash card is spared a write. After a PictureError the
    album is closed, to be opened again. One thread.
    """

    def __init__(self, folder: Path, *, max_bytes: int, min_free_bytes: int) -> None:
        """Touches nothing yet."""
        self.folder = folder
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._sizes: OrderedDict[PictureName, int] = OrderedDict()
        self._of_part: dict[tuple[str, int], PictureName] = {}
        self._bytes = 0
        self._open = False

    def open(self) -> None:
        """Make the folder and look at what is in it; what a crash left half-written goes. Does
        nothing where it is open. Blocks on the disk. Raises PictureError."""
        if self._open:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob(f".*{_PART}"):
                path.unlink()
            for name in list_album(self.folder):
                size = (self.folder / str(name)).stat().st_size
                if size:
                    self._add(name, size)
                else:  # a power cut took what was in it
                    (self.folder / str(name)).unlink()
                    _log.warning("picture_emptied file=%s", name)
        except OSError as error:
            raise self._refused(error) from error
        self._open = True

    @property
    def next_number(self) -> int:
        return next(reversed(self._sizes)).number + 1 if self._sizes else 1

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def newest_record(self) -> PictureRecord | None:
        """Of the last picture that can be read. Raises PictureError."""
        for name in list(reversed(self._sizes))[:8]:
            with suppress(PictureError):
                return parse_record(read_text(self.folder / str(name)), name=str(name))
        return None

    def find(self, journal: str, part_id: int) -> PictureName | None:
        """A part's picture. journal: its uuid or the beginning of it."""
        return self._of_part.get((journal[:8], part_id))

    def fault(self, size_bytes: int) -> SkippedPicture | None:
        """Why a picture of this size cannot be stored now. Raises PictureError."""
        if size_bytes > self._max_bytes:
            return SkippedPicture.TOO_LARGE
        if self._free_bytes() - size_bytes < self._min_free_bytes:
            return SkippedPicture.NO_ROOM
        return None

    def store(self, name: PictureName, data: bytes) -> None:
        """Write a picture, whole or not at all; older ones make room. Blocks for an fsync. Raises
        PictureError."""
        try:
            self._evict(self._max_bytes - len(data))
            write_atomically(self.folder / str(name), data)
        except OSError as error:
            raise self._refused(error) from error
        self._add(name, len(data))

    def load(self, name: PictureName) -> bytes:
        """A picture's file. Raises PictureError."""
        try:
            return (self.folder / str(name)).read_bytes()
        except OSError as error:
            raise self._refused(error) from error

    def replace_text(self, name: PictureName, data: bytes, text: str) -> int:
        """Write a picture again, ``data`` as ``load`` gave it, with another record. The bytes
        written. Raises PictureError."""
        data = with_text(data, text)
        try:
            write_atomically(self.folder / str(name), data)
        except OSError as error:
            raise self._refused(error) from error
        self._bytes += len(data) - self._sizes[name]
        self._sizes[name] = len(data)
        return len(data)

    def give_way(self) -> int:
        """Remove the oldest pictures until half of the reserve is free again, so that the journal
        can go on; how many went. Raises PictureError."""
        before = len(self._sizes)
        try:
            while self._sizes and self._free_bytes() < self._min_free_bytes // 2:
                self._evict(self._bytes - 1)
        except OSError as error:
            raise self._refused(error) from error
        return before - len(self._sizes)

    def _add(self, name: PictureName, size: int) -> None:
        self._sizes[name] = size
        self._of_part[name.journal, name.part_id] = name
        self._bytes += size

    def _evict(self, limit_bytes: int) -> None:
        while self._sizes and self._bytes > limit_bytes:
            name = next(iter(self._sizes))
            (self.folder / str(name)).unlink(missing_ok=True)
            self._bytes -= self._sizes.pop(name)
            if self._of_part.get((name.journal, name.part_id)) == name:
                del self._of_part[name.journal, name.part_id]

    def _free_bytes(self) -> int:
        try:
            disk = os.statvfs(self.folder)
        except OSError as error:
            raise self._refused(error) from error
        return disk.f_bavail * disk.f_frsize

    def _refused(self, error: OSError) -> PictureError:
        """Whatever happened to the folder is looked at anew by the next ``open``."""
        self._sizes.clear()
        self._of_part.clear()
        self._bytes = 0
        self._open = False
        return PictureError(f"{self.folder}: {(error.strerror or str(error)).lower()}")


def cost_bytes(size_bytes: int) -> int:
    """What a file of this size costs the disk: whole blocks, and what comes with a file."""
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES + FILE_COST_BYTES
