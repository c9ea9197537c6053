"""The position up to which a journal is published, even where a backup was restored."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from edge.events.identity import JournalPosition
from edge.journal.row import JournalRow, proven_row, run_name
from edge.journal.store import COLUMNS, one

DAMAGED_ROWS = "rows of the journal are damaged or missing"
"""The reason in the gap events that stand for them."""


@dataclass(frozen=True, slots=True)
class PublishedPosition:
    """Everything up to ``sequence`` is published. went_back: the journal is behind the position, or
    another run has the position's sequence: it was restored from a backup, or the disk forgot what
    it had confirmed."""

    sequence: int
    went_back: bool = False


def find_published(
    db: sqlite3.Connection,
    journal: str,
    position: JournalPosition | None,
    known: Collection[str] = (),
) -> PublishedPosition:
    """Look a position up in a journal. known: runs that are known to be published, beside those
    that the position names. Reads the whole table where it went back. Raises sqlite3.Error."""
    if position is None or position.journal != journal:
        return PublishedPosition(0)
    at = position.published
    found = db.execute(f"SELECT {COLUMNS} FROM events WHERE sequence = ?", (at,)).fetchone()
    last = one(db, "SELECT max(sequence) FROM events")
    if found is None:
        # Pruned, unless it was never here.
        if at <= max(last, one(db, "SELECT seq FROM sqlite_sequence")):
            return PublishedPosition(at)
    else:
        row = proven_row(journal, *found)  # the run of a damaged row says nothing
        if row is None or position.run in ("", run_name(row.run)):
            return PublishedPosition(at)
    runs = {position.run, *position.earlier, *known} - {""}
    if not runs:  # a cursor of an Outfeed that knew no runs
        return PublishedPosition(min(at, last), went_back=True)
    # What precedes an event of a run that was published, was published too.
    marks = ", ".join(str(int(run, 16)) for run in runs)
    published = one(
        db, f"SELECT max(sequence) FROM events WHERE sequence <= {at} AND run IN ({marks})"
    )
    return PublishedPosition(published, went_back=True)


def follows(row: JournalRow, begin: int) -> bool:
    """Return whether nothing is missing between a sequence and the row. The row is the next one, or
    a gap event that stands for the missing ones."""
    if row.sequence == begin + 1:
        return True
    if b'"outfeed.gap/1"' not in row.body:
        return False
    first = json.loads(row.body).get("first")
    return row.sequence > begin and isinstance(first, int) and first <= begin + 1
