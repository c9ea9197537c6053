"""The capacity of a journal, divided between its files. All numbers are bytes."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
MIN_MAX_BYTES = MIB


@dataclass(frozen=True, slots=True)
class JournalCapacity:
    """The shares of ``max_bytes`` for the database, its -wal file and its -shm file.

    rows + slack + log_full + 2 * batch + index = max_bytes. A small capacity is divided in
    proportion. From 40 MiB on the log stops growing, so 256 MiB hold 230 MiB of rows.
    """

    max_bytes: int

    @property
    def batch(self) -> int:
        """Most bytes of events in a transaction, which writes at most twice as much to the log."""
        return min(self.max_bytes // 16, MIB)

    @property
    def log_empty(self) -> int:
        """Size of the write-ahead log above which it is emptied before the next transaction."""
        return min(self.max_bytes // 10, 4 * MIB)

    @property
    def log_full(self) -> int:
        """Size of the log above which no event is accepted. A reader that hangs in a read can keep
        the log from being emptied."""
        return min(self.max_bytes // 5, 8 * MIB)

    @property
    def index(self) -> int:
        """Size of the -shm file: 32 KiB for each 16 MiB of log."""
        return self.max_bytes // 32

    @property
    def database(self) -> int:
        """Size at which SQLite itself stops the database."""
        return self.max_bytes - self.log_full - 2 * self.batch - self.index

    @property
    def rows(self) -> int:
        """Size above which the oldest rows are removed. Below ``database``, as it is estimated."""
        return self.database - self.max_bytes // 32
