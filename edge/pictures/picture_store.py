"""The picture store: the folder of pictures on the disk, of limited size."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from enum import Enum
from logging import getLogger
from pathlib import Path

from edge.errors import PictureError
from edge.files import write_atomically
from edge.pictures.file_name import PictureName, list_pictures
from edge.pictures.png import read_text, with_text
from edge.pictures.record import PictureRecord, parse_record

_log = getLogger(__name__)

# Bytes that a new file writes to the disk beside its content: inode, folder and the journal of the
# file system. ext4, measured by bench/disk_usage.py.
FILE_COST_BYTES = 37 * 1024
_BLOCK_BYTES = 4096
_PART = ".part"


class SkippedPicture(str, Enum):
    """The reason why a selected picture was not stored.

    PER_DAY: the write limit is reached. TOO_LARGE: larger than the ring or the store. NO_SPACE: the
    disk has only its reserve left. DISK: the disk reported an error. OVERFLOW: too many pictures
    were waiting.
    """

    PER_DAY = "per_day"
    TOO_LARGE = "too_large"
    NO_SPACE = "no_space"
    DISK = "disk"
    OVERFLOW = "overflow"


class PictureStore:
    """A folder with at most ``max_bytes`` of pictures.

    The oldest pictures are removed first. ``make_space`` also removes them while the disk has less
    than half of ``min_free_bytes`` free, whichever program filled it.

    Files are written atomically. The folder is not synced, which saves a write to the flash card:
    after a power loss the last picture may be missing. After a PictureError the store is closed and
    must be opened again. For one thread.
    """

    def __init__(self, folder: Path, *, max_bytes: int, min_free_bytes: int) -> None:
        """Open nothing yet."""
        self.folder = folder
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._sizes: OrderedDict[PictureName, int] = OrderedDict()
        self._of_part: dict[tuple[str, int], PictureName] = {}
        self._bytes = 0
        self._open = False

    def open(self) -> None:
        """Create the folder, read its listing, and remove temporary files of a crash.

        Do nothing if the store is open. Blocks on the disk. Raises PictureError.
        """
        if self._open:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob(f".*{_PART}"):
                path.unlink()
            for name in list_pictures(self.folder):
                size = (self.folder / str(name)).stat().st_size
                if size:
                    self._add(name, size)
                else:  # a power loss left it empty
                    (self.folder / str(name)).unlink()
                    _log.warning("picture_emptied file=%s", name)
        except OSError as error:
            raise self._closed_by(error) from error
        self._open = True

    @property
    def next_number(self) -> int:
        return next(reversed(self._sizes)).number + 1 if self._sizes else 1

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def newest_record(self) -> PictureRecord | None:
        """Return the record of the newest readable picture; None: there is none.

        Only the newest 8 pictures are read. Raises PictureError.
        """
        for name in list(reversed(self._sizes))[:8]:
            with suppress(PictureError):
                return parse_record(read_text(self.folder / str(name)), name=str(name))
        return None

    def find(self, journal: str, part_id: int) -> PictureName | None:
        """Return the name of a part's picture. journal: its UUID, or the first 8 digits or more."""
        return self._of_part.get((journal[:8], part_id))

    def skip_reason(self, size_bytes: int) -> SkippedPicture | None:
        """Return the reason why a picture of this size cannot be stored now; None: it can.

        Raises PictureError.
        """
        if size_bytes > self._max_bytes:
            return SkippedPicture.TOO_LARGE
        if self._free_bytes() - size_bytes < self._min_free_bytes:
            return SkippedPicture.NO_SPACE
        return None

    def store(self, name: PictureName, data: bytes) -> None:
        """Write a picture atomically, after older ones are removed to make space.

        Blocks for an fsync. Raises PictureError.
        """
        try:
            self._evict(self._max_bytes - len(data))
            write_atomically(self.folder / str(name), data)
        except OSError as error:
            raise self._closed_by(error) from error
        self._add(name, len(data))

    def load(self, name: PictureName) -> bytes:
        """Return the bytes of a picture's file. Raises PictureError."""
        try:
            return (self.folder / str(name)).read_bytes()
        except OSError as error:
            raise self._closed_by(error) from error

    def replace_text(self, name: PictureName, data: bytes, text: str) -> int:
        """Write a picture again with another record. Return the number of bytes written.

        data: the result of ``load``. Raises PictureError.
        """
        data = with_text(data, text)
        try:
            write_atomically(self.folder / str(name), data)
        except OSError as error:
            raise self._closed_by(error) from error
        self._bytes += len(data) - self._sizes[name]
        self._sizes[name] = len(data)
        return len(data)

    def make_space(self) -> int:
        """Remove the oldest pictures until half of the reserve is free, for the journal.

        Return the number of removed pictures. Raises PictureError.
        """
        before = len(self._sizes)
        try:
            while self._sizes and self._free_bytes() < self._min_free_bytes // 2:
                self._evict(self._bytes - 1)
        except OSError as error:
            raise self._closed_by(error) from error
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
            raise self._closed_by(error) from error
        return disk.f_bavail * disk.f_frsize

    def _closed_by(self, error: OSError) -> PictureError:
        """Close the store, so that the next ``open`` reads the folder again. Return the error."""
        self._sizes.clear()
        self._of_part.clear()
        self._bytes = 0
        self._open = False
        return PictureError(f"{self.folder}: {(error.strerror or str(error)).lower()}")


def cost_bytes(size_bytes: int) -> int:
    """Return the bytes that a new file of this size writes: whole blocks and FILE_COST_BYTES."""
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES + FILE_COST_BYTES
