"""A row of the journal, and the checksum that proves it."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass

_RUN_BITS = 63  # SQLite's integers are signed


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An event as the journal stores it. run: of the writer that stored it; 0: an Outfeed that knew
    no runs. weight: how many events are lost with it. body: its keys as JSON text in UTF-8."""

    sequence: int
    run: int
    weight: int
    body: bytes

    def checksum(self, journal: str) -> int:
        """The CRC-32 of everything in the row and of the journal that it belongs to. It finds every
        flipped bit, and a row that lies in the wrong place."""
        head = f"{journal}:{self.run}:{self.sequence}:{self.weight}:"
        return zlib.crc32(self.body, zlib.crc32(head.encode()))


def new_run() -> int:
    """A number that no other start of a writer has, whatever was copied or restored."""
    return 1 + secrets.randbelow((1 << _RUN_BITS) - 1)


def run_name(run: int) -> str:
    """The run as events and the cursor carry it: 16 hexadecimal digits."""
    return f"{run:016x}"


def proven_row(journal: str, *columns: object) -> JournalRow | None:
    """The row of these columns: sequence, run, weight, body, checksum. None where the checksum or a
    type is wrong: damage may turn any column into any type of SQLite's."""
    sequence, run, weight, body, checksum = columns
    if not (isinstance(sequence, int) and isinstance(run, int) and isinstance(weight, int)):
        return None
    if isinstance(body, str):
        body = body.encode()
    if not isinstance(body, bytes):
        return None
    row = JournalRow(sequence, run, weight, body)
    return row if row.checksum(journal) == checksum else None
