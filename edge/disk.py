"""Reads of small files from a disk that may hang, or that a power cut has left with empty files."""

from __future__ import annotations

import errno
from logging import getLogger
from pathlib import Path
from threading import Thread

from edge.files import backup_of

_log = getLogger(__name__)

_BLOCK_BYTES = 4096
_DISK_S = 5.0  # a flash card that collects its garbage stalls for 2 s


def was_emptied(path: Path) -> bool:
    """Whether the file is there and begins with nothing: no bytes, or a block that was never
    written, as a power cut leaves it."""
    try:
        return not read_small(path, _BLOCK_BYTES).strip(b"\0")
    except OSError:
        return False


def whole_of(path: Path) -> Path:
    """Return the path, or that of its copy where the file was emptied and the copy was not; one
    line in the log says so."""
    copy = backup_of(path)
    if not was_emptied(path) or not copy.is_file() or was_emptied(copy):
        return path
    _log.error("file_emptied file=%s; its copy is used", path)
    return copy


def read_small(path: Path, most_bytes: int, *, within_s: float = _DISK_S) -> bytes:
    """Return at most most_bytes from the beginning of a file, for a caller who must go on.

    Raises OSError; TimeoutError where the disk has not answered within_s: then the read is left
    behind on a daemon thread.
    """
    done: list[bytes | OSError] = []

    def read() -> None:
        try:
            with path.open("rb") as file:
                done.append(file.read(most_bytes))
        except OSError as error:
            done.append(error)

    thread = Thread(target=read, name="read-small", daemon=True)
    thread.start()
    thread.join(within_s)
    if not done:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer from the disk in {within_s:g} s", str(path))
    if isinstance(done[0], OSError):
        raise done[0]
    return done[0]
