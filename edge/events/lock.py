"""One process at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from edge.errors import JournalError


class FileLock:
    """An exclusive flock on a file that stays; the kernel lets go when the process ends.

    Raises JournalError with ``held`` as its line while another process (or another FileLock of
    this one) has it, and with the system's word where the file cannot be made.
    """

    def __init__(self, path: Path, *, held: str) -> None:
        try:
            # Whoever can open it, if only to read, can hold it: so nobody else may.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with suppress(OSError):
                os.fchmod(self._file, 0o600)
        except OSError as error:
            raise JournalError(f"{path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise JournalError(f"{path}: {held}") from error

    def release(self) -> None:
        """Let go. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
