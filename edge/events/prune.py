"""Making room in a full journal: the oldest rows go, and what nobody has read is counted."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from edge.events.store import one

# Rows looked at in one step. At some 600 bytes per verdict about five pages.
STEP_ROWS = 32

# A new row dirties a leaf, perhaps an inner page, and the rounding of each overflow chain.
SLACK_PAGES = 8


@dataclass(frozen=True, slots=True)
class Loss:
    """Unpublished events that were pruned: ``count`` of them, in ``first`` to ``last``."""

    count: int
    first: int
    last: int


def used_bytes(db: sqlite3.Connection, need_bytes: int) -> int:
    """What the database would use with ``need_bytes`` of new rows; free pages do not count."""
    pages = one(db, "PRAGMA page_count") - one(db, "PRAGMA freelist_count") + SLACK_PAGES
    return pages * one(db, "PRAGMA page_size") + need_bytes + need_bytes // 8


def make_room(
    db: sqlite3.Connection, *, need_bytes: int, limit: int, published: int
) -> Loss | None:
    """Delete oldest rows until ``need_bytes`` fit below ``limit`` bytes.

    To be called within a transaction. Rows up to ``published`` are with the broker; the rest is
    the loss. As rows go oldest first, it is always one stretch without holes, and a gap event
    that stood at its beginning is taken up into it.
    """
    loss: Loss | None = None
    while (over := used_bytes(db, need_bytes) - limit) > 0:
        rows = db.execute(
            "SELECT sequence, weight, length(CAST(body AS BLOB)) FROM events"
            " ORDER BY sequence LIMIT ?",
            (STEP_ROWS,),
        ).fetchall()
        if not rows:
            break
        freed = 0
        for sequence, weight, size in rows:
            freed += size
            if sequence > published:
                loss = Loss(
                    count=weight + (loss.count if loss else 0),
                    first=loss.first if loss else _first_of(db, sequence),
                    last=sequence,
                )
            if freed > over:
                break
        db.execute("DELETE FROM events WHERE sequence <= ?", (sequence,))
    return loss


def _first_of(db: sqlite3.Connection, sequence: int) -> int:
    """Where the loss began: a gap event at the head may already stand for older rows."""
    body = db.execute("SELECT body FROM events WHERE sequence = ?", (sequence,)).fetchone()[0]
    first = json.loads(body).get("first")
    return first if isinstance(first, int) else sequence
