"""Reads of small files from a disk that may hang, or that a power cut has left with empty files."""

from __future__ import annotations

import errno
from collections.abc import Callable
from logging import getLogger
from pathlib import Path
from threading import Thread
from typing import TypeVar

from edge.files import backup_path

_log = getLogger(__name__)
_T = TypeVar("_T")

_BLOCK_BYTES = 4096
_DISK_S = 5.0  # a flash card that collects its garbage stalls for 2 s


def was_emptied(path: Path) -> bool:
    """Return whether the file is there and begins with nothing: no bytes, or a block that was never
    written, as a power cut leaves it."""
    try:
        return not read_small(path, _BLOCK_BYTES).strip(b"\0")
    except OSError:
        return False


def whole_of(path: Path) -> Path:
    """Return the path, or that of its copy where the file was emptied and the copy was not; one
    line in the log reports it."""
    copy = backup_path(path)
    if not was_emptied(path) or not copy.is_file() or was_emptied(copy):
        return path
    _log.error("file_emptied file=%s; its copy is used", path)
    return copy


def read_small(path: Path, most_bytes: int, *, within_s: float = _DISK_S) -> bytes:
    """Return at most most_bytes from the beginning of a file, for a caller who must go on.

    Raises OSError; TimeoutError where the disk has not answered within_s.
    """

    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(most_bytes)

    return BoundedDisk(within_s).does(read)


class BoundedDisk:
    """Does one thing after the other on a disk that may hang, each on a daemon thread that is left
    behind when it takes too long. One thread at a time may call."""

    def __init__(self, within_s: float = _DISK_S) -> None:
        self._within_s = within_s
        self._thread: Thread | None = None

    def does(self, step: Callable[[], _T]) -> _T:
        """Return what the step returns. Raises its OSError, and TimeoutError where it has not ended
        in time, or where the one before still has not: it is then not begun."""
        if self._thread is not None and self._thread.is_alive():
            raise _no_answer()
        done: list[_T | OSError] = []

        def run() -> None:
            try:
                done.append(step())
            except OSError as error:
                done.append(error)

        self._thread = Thread(target=run, name="disk", daemon=True)
        self._thread.start()
        self._thread.join(self._within_s)
        if not done:
            raise _no_answer()
        if isinstance(done[0], OSError):
            raise done[0]
        return done[0]


def _no_answer() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, "the disk does not answer")
