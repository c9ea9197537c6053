"""The position up to which a journal is published, also after a backup was restored."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from edge.events.identity import JournalPosition
from edge.journal.row import JournalRow, proven_row, run_name
from edge.journal.store import COLUMNS, one

DAMAGED_ROWS = "rows of the journal are damaged or missing"
"""The reason in gap events for such rows."""


@dataclass(frozen=True, slots=True)
class PublishedPosition:
    """The sequence number up to which all events are published.

    went_back: True if the journal ends before the position of the cursor, or if another run has the
    sequence number of the cursor. Then the journal was restored from a backup, or the disk lost
    data that it had confirmed.
    """

    sequence: int
    went_back: bool = False


def find_published(
    db: sqlite3.Connection,
    journal: str,
    position: JournalPosition | None,
    known: Collection[str] = (),
) -> PublishedPosition:
    """Return the published position of a journal.

    Reads the whole table if the journal went back. Raises sqlite3.Error.

    Args:
        db: The journal.
        journal: Its UUID.
        position: The position of the cursor.
        known: Published runs, in addition to those that the position names.
    """
    if position is None or position.journal != journal:
        return PublishedPosition(0)
    at = position.published
    columns = db.execute(f"SELECT {COLUMNS} FROM events WHERE sequence = ?", (at,)).fetchone()
    last = one(db, "SELECT max(sequence) FROM events")
    if columns is None:
        # The row was pruned, or it was never in this journal.
        if at <= max(last, one(db, "SELECT seq FROM sqlite_sequence")):
            return PublishedPosition(at)
    else:
        row = proven_row(journal, *columns)  # the run of a damaged row is unknown
        if row is None or position.run in ("", run_name(row.run)):
            return PublishedPosition(at)
    runs = {position.run, *position.earlier, *known} - {""}
    if not runs:  # a cursor of an earlier version, without runs
        return PublishedPosition(min(at, last), went_back=True)
    # All events before a published event are published too.
    marks = ", ".join(str(int(run, 16)) for run in runs)
    published = one(
        db, f"SELECT max(sequence) FROM events WHERE sequence <= {at} AND run IN ({marks})"
    )
    return PublishedPosition(published, went_back=True)


def follows(row: JournalRow, begin: int) -> bool:
    """Return True if no event is missing between the sequence number and the row.

    The row is then the next one, or a gap event for the missing ones.
    """
    if row.sequence == begin + 1:
        return True
    if b'"outfeed.gap/1"' not in row.body:
        return False
    first = json.loads(row.body).get("first")
    return row.sequence > begin and isinstance(first, int) and first <= begin + 1
