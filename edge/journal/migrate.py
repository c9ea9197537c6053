"""The migration of a journal in format 1 to the present format. No row is lost."""

from __future__ import annotations

import logging
import sqlite3

from edge.journal.row import JournalRow
from edge.journal.store import FORMAT, JournalNames, insert, one, transaction, write_names

log = logging.getLogger(__name__)

# Rows of one transaction: about 300 kB in the log, whatever the capacity of the journal is.
_STEP_ROWS = 256


def migrate(db: sqlite3.Connection, names: JournalNames) -> None:
    """Give every row of format 1 its run, which is 0, and its checksum.

    After a crash the next call continues, because the format number is written last. Blocks once:
    15 s for 256 MiB on an SD card. Raises sqlite3.Error, for a full disk too; no row is lost then.
    """
    columns = {bytes(row[1]) for row in db.execute("PRAGMA table_info(events)")}
    with transaction(db):
        if b"run" not in columns:
            db.execute("ALTER TABLE events ADD COLUMN run INTEGER NOT NULL DEFAULT 0")
        if b"crc" not in columns:
            db.execute("ALTER TABLE events ADD COLUMN crc INTEGER")
    total = one(db, "SELECT count(*) FROM events WHERE crc IS NULL")
    log.warning("journal_migrates from=1 to=%s rows=%s", FORMAT, total)
    last = 0
    while rows := _old_rows(db, last):
        with transaction(db):
            insert(db, names.journal, [row for row in rows if _is_text(row.body)])
        last = rows[-1].sequence
    with transaction(db):
        write_names(db, names)


def _old_rows(db: sqlite3.Connection, after: int) -> list[JournalRow]:
    rows = db.execute(
        "SELECT sequence, run, weight, body FROM events WHERE sequence > ? AND crc IS NULL"
        " ORDER BY sequence LIMIT ?",
        (after, _STEP_ROWS),
    )
    return [JournalRow(*columns) for columns in rows.fetchall()]


def _is_text(body: object) -> bool:
    """Return True for a valid text. A damaged row gets no checksum, so it stays damaged."""
    try:
        return isinstance(body, bytes) and bool(body.decode())
    except UnicodeDecodeError:
        return False
