"""Making room in a full journal: the oldest rows go, and what nobody has read is counted."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from edge.journal.row import JournalRow, proven_row
from edge.journal.store import COLUMNS, one

# Rows looked at in one step. At some 600 bytes per verdict about five pages.
STEP_ROWS = 32

# A new row dirties a leaf, perhaps an inner page, and the rounding of each overflow chain.
SLACK_PAGES = 8


@dataclass(frozen=True, slots=True)
class PrunedEvents:
    """Unpublished events that were pruned: ``count`` of them, in ``first`` to ``last``. run: of the
    last one."""

    count: int
    first: int
    last: int
    run: int


def used_bytes(db: sqlite3.Connection, need_bytes: int) -> int:
    """What the database would use with ``need_bytes`` of new rows; free pages do not count."""
    pages = one(db, "PRAGMA page_count") - one(db, "PRAGMA freelist_count") + SLACK_PAGES
    return pages * one(db, "PRAGMA page_size") + need_bytes + need_bytes // 8


def make_room(
    db: sqlite3.Connection, journal: str, *, need_bytes: int, limit: int, published: int
) -> PrunedEvents | None:
    """Delete oldest rows until ``need_bytes`` fit below ``limit`` bytes.

    To be called within a transaction. Rows up to ``published`` are with the broker; the rest is
    the loss. As rows go oldest first, it is always one stretch without holes, and a gap event
    that stood at its beginning is taken up into it. Raises sqlite3.DatabaseError for a row that
    cannot be proven: a sequence that damage made up would take others with it.
    """
    loss: PrunedEvents | None = None
    while (over := used_bytes(db, need_bytes) - limit) > 0:
        found = db.execute(
            f"SELECT {COLUMNS} FROM events ORDER BY sequence LIMIT ?", (STEP_ROWS,)
        ).fetchall()
        if not found:
            break
        freed = last = 0
        for columns in found:
            row = proven_row(journal, *columns)
            if row is None:
                raise sqlite3.DatabaseError("malformed: its oldest rows")
            freed, last = freed + len(row.body), row.sequence
            if last > published:
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
    """Where the loss began: a gap event at the head may already stand for older rows."""
    first = json.loads(row.body).get("first")
    return first if isinstance(first, int) else row.sequence
