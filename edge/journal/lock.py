"""Locks that only one process can hold."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from edge.errors import JournalError


class LockHeldError(JournalError):
    """Another process holds the lock."""


class FileLock:
    """An exclusive flock(2) on a file. The kernel releases it when the process exits.

    The file is never removed. On a read-only disk an existing file can be locked too.
    """

    def __init__(self, path: Path, *, held: str) -> None:
        """Take the lock. Does not wait.

        Args:
            path: The file. It is created if it is missing.
            held: The text of the error while another process holds the lock.

        Raises:
            LockHeldError: Another process, or another FileLock of this process, holds the lock.
            JournalError: The file can neither be created nor opened.
        """
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
        """Release the lock. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _open(path: Path) -> int:
    try:
        # A user who can open the file, even only to read, can lock it. So only its owner may.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with suppress(OSError):
        os.fchmod(file, 0o600)
    return file
