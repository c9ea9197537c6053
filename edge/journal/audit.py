"""The audit of a journal: a check of the checksum of every row."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from edge.journal.position import follows
from edge.journal.row import proven_row
from edge.journal.store import COLUMNS

_STEP_ROWS = 1000


@dataclass(frozen=True, slots=True)
class JournalAudit:
    """The result of an audit.

    proven: rows with a correct checksum. damaged: other rows. missing: sequence numbers between
    rows that no gap event reports. examples: sequence numbers of the first damaged or missing rows.
    is_complete: True if all rows were checked.
    """

    proven: int
    damaged: int
    missing: int
    examples: tuple[int, ...]
    is_complete: bool


def audit(db: sqlite3.Connection, journal: str, *, within_s: float) -> JournalAudit:
    """Check the rows, the newest first, for within_s seconds at most.

    Blocks: 100,000 rows take 1 s. Raises sqlite3.Error.
    """
    until_s = time.monotonic() + within_s
    proven = damaged = missing = 0
    examples: list[int] = []
    before = 1 << 62
    later = None  # the row with the next higher sequence number
    while rows := db.execute(
        f"SELECT {COLUMNS} FROM events WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
        (before, _STEP_ROWS),
    ).fetchall():
        for columns in rows:
            sequence = int(columns[0])
            row = proven_row(journal, *columns)
            if row is None:
                damaged += 1
                examples.append(sequence)
            elif later is not None and not follows(later, sequence):
                missing += later.sequence - sequence - 1
                examples.append(sequence + 1)
            proven += row is not None
            later = row
        before = int(rows[-1][0])
        if time.monotonic() > until_s:
            return JournalAudit(proven, damaged, missing, tuple(examples[:8]), is_complete=False)
    return JournalAudit(proven, damaged, missing, tuple(examples[:8]), is_complete=True)
