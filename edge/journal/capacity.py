"""How the disk cap of a journal is divided. All numbers are bytes."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
MIN_MAX_BYTES = MIB


@dataclass(frozen=True, slots=True)
class JournalCapacity:
    """Shares of ``max_bytes`` for the database, its -wal and its -shm.

    rows + slack + log_full + 2 * batch + index = max_bytes. A small cap is divided in proportion;
    from 40 MiB on the log stops growing, so 256 MiB hold 230 MiB of rows.
    """

    max_bytes: int

    @property
    def batch(self) -> int:
        """Events of one transaction; it writes at most twice that into the log."""
        return min(self.max_bytes // 16, MIB)

    @property
    def log_empty(self) -> int:
        """Above this the write-ahead log is emptied before the next transaction."""
        return min(self.max_bytes // 10, 4 * MIB)

    @property
    def log_full(self) -> int:
        """Above this nothing is taken any more: a reader frozen in a read keeps the log."""
        return min(self.max_bytes // 5, 8 * MIB)

    @property
    def index(self) -> int:
        """The -shm file: 32 KiB per 16 MiB of log."""
        return self.max_bytes // 32

    @property
    def database(self) -> int:
        """SQLite itself stops the database here."""
        return self.max_bytes - self.log_full - 2 * self.batch - self.index

    @property
    def rows(self) -> int:
        """Above this the oldest rows go. Below ``database``, so that an estimate may err."""
        return self.database - self.max_bytes // 32
