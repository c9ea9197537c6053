"""The removal of the oldest rows of a full journal. Undelivered ones are counted."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from edge.journal.row import JournalRow, proven_row
from edge.journal.store import COLUMNS, one

# Rows that one step reads: about five pages, with some 600 bytes for each verdict.
STEP_ROWS = 32

# A new row changes a leaf page, perhaps an inner page, and the last page of each overflow chain.
SLACK_PAGES = 8


@dataclass(frozen=True, slots=True)
class PrunedEvents:
    """Undelivered events that were removed.

    count: their number. first, last: their sequence numbers. run: the run of the last one.
    """

    count: int
    first: int
    last: int
    run: int


def used_bytes(db: sqlite3.Connection, need_bytes: int) -> int:
    """Return the size of the database with ``need_bytes`` of new rows, without free pages."""
    pages = one(db, "PRAGMA page_count") - one(db, "PRAGMA freelist_count") + SLACK_PAGES
    return pages * one(db, "PRAGMA page_size") + need_bytes + need_bytes // 8


def prune(
    db: sqlite3.Connection, journal: str, *, need_bytes: int, limit: int, delivered: int
) -> PrunedEvents | None:
    """Delete the oldest rows until ``need_bytes`` fit below ``limit`` bytes.

    Call it within a transaction. Rows up to ``delivered`` have been delivered. Return the others,
    which are lost; None: there are none. As the oldest rows are removed first, the lost ones are
    always one range. A gap event at its beginning becomes part of it.

    Raises sqlite3.DatabaseError for a row with a wrong checksum: its sequence number may be wrong
    too, and rows up to that number would be deleted with it.
    """
    loss: PrunedEvents | None = None
    while (over := used_bytes(db, need_bytes) - limit) > 0:
        rows = db.execute(
            f"SELECT {COLUMNS} FROM events ORDER BY sequence LIMIT ?", (STEP_ROWS,)
        ).fetchall()
        if not rows:
            break
        freed = last = 0
        for columns in rows:
            row = proven_row(journal, *columns)
            if row is None:
                raise sqlite3.DatabaseError("malformed: its oldest rows")
            freed, last = freed + len(row.body), row.sequence
            if last > delivered:
                loss = PrunedEvents(
                    count=row.weight + (loss.count if loss else 0),
                    first=loss.first if loss else _first_of(row),
                    last=last,
                    run=row.run,
                )
            if freed > over:
                break
        db.execute("DELETE FROM events WHERE sequence <= ?", (last,))
    return loss


def _first_of(row: JournalRow) -> int:
    """Return the first lost sequence number: a gap event may already stand for older rows."""
    first = json.loads(row.body).get("first")
    return first if isinstance(first, int) else row.sequence
