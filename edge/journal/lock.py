"""One process at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from edge.errors import JournalError


class LockHeldError(JournalError):
    """Another process has it."""


class FileLock:
    """An exclusive flock on a file that stays. The kernel releases it when the process exits.

    Raises LockHeldError with the line ``held`` while another process, or another FileLock of this
    process, holds the lock. Raises JournalError with the system's text where the file can neither
    be created nor opened. On a read-only disk an existing file is locked all the same.
    """

    def __init__(self, path: Path, *, held: str) -> None:
        try:
            self._file = _open(path)
        except OSError as error:
            raise JournalError(f"{path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise JournalError(f"{path}: cannot be locked: {error.strerror}") from error
            raise LockHeldError(f"{path}: {held}") from error

    def release(self) -> None:
        """Let go. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _open(path: Path) -> int:
    try:
        # Whoever can open it, if only to read, can hold it: so nobody else may.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with suppress(OSError):
        os.fchmod(file, 0o600)
    return file
