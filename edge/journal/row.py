"""A row of the journal with its checksum."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass

_RUN_BITS = 63  # integers of SQLite are signed


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An event as the journal stores it.

    run: the run of the writer; 0: an earlier version without runs. weight: number of events that
    are lost if the row is lost. body: the keys of the event as JSON text in UTF-8.
    """

    sequence: int
    run: int
    weight: int
    body: bytes

    def checksum(self, journal: str) -> int:
        """Return the CRC-32 of all values of the row and of the UUID of its journal.

        It detects every flipped bit, and a row in the wrong place.
        """
        head = f"{journal}:{self.run}:{self.sequence}:{self.weight}:"
        return zlib.crc32(self.body, zlib.crc32(head.encode()))


def new_run() -> int:
    """Return a random number for a new run. No other run has it, even after a copy or a restore."""
    return 1 + secrets.randbelow((1 << _RUN_BITS) - 1)


def run_name(run: int) -> str:
    """Return the run as in events and the cursor: 16 hexadecimal digits."""
    return f"{run:016x}"


def proven_row(journal: str, *columns: object) -> JournalRow | None:
    """Return the row of these columns: sequence, run, weight, body, checksum.

    Return None if the checksum or a type is wrong. Damage can give any column any type of SQLite.
    """
    sequence, run, weight, body, checksum = columns
    if not (isinstance(sequence, int) and isinstance(run, int) and isinstance(weight, int)):
        return None
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes):
        return None
    row = JournalRow(sequence, run, weight, body)
    return row if row.checksum(journal) == checksum else None
