"""The file format of the journal: an SQLite database in WAL mode, for writer and readers."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.errors import JournalError
from edge.journal.row import JournalRow, proven_row


class ForeignJournalError(JournalError):
    """The journal belongs to another station or to a newer version. A person must decide."""


FORMAT = 2
"""The user_version of the database. A newer one is refused, an older one is migrated."""

_META_TABLES = ("meta", "meta_copy")  # each on its own page

# Parts of the texts of SQLite for a damaged page. A missing table or column has a damaged name.
_DAMAGE = ("malformed", "not a database", "no such table", "no such column", "unsupported file")

GIVEN = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
"""The query for the last sequence number given out, which SQLite stores in a row of its own."""

PLAUSIBLE_ROWS = 4096
"""The most rows, on some lost pages, between the last row and the last number given out. A larger
number is damaged."""

COLUMNS = "sequence, run, weight, body, crc"
"""The columns of the table ``events``, in the order of ``proven_row``."""


def connect_writer(path: Path, *, busy_timeout_ms: int, wal_bytes: int) -> sqlite3.Connection:
    """Return a connection for the writer. Transactions are explicit. Creates an empty file."""
    db = sqlite3.connect(
        path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        db.text_factory = bytes  # a damaged text may be invalid UTF-8
        # With auto_vacuum, pages freed by pruning are returned when the capacity is lowered. It is
        # set before the first page is written, which is the switch to WAL.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {wal_bytes}").fetchall()
        # Half of the limit, at most 1000 pages as by default in SQLite. Then the log seldom grows
        # to the limit, at which the writer must empty it.
        pages = min(1000, wal_bytes // 2 // one(db, "PRAGMA page_size"))
        db.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


@dataclass(frozen=True, slots=True)
class JournalNames:
    """The identity of a journal: its UUID, and the id of its station."""

    journal: str
    station: str

    @property
    def checksum(self) -> str:
        """The CRC-32 of both and of the format."""
        return f"{zlib.crc32(f'{self.journal}:{self.station}:{FORMAT}'.encode()):08x}"


def create(db: sqlite3.Connection, names: JournalNames) -> None:
    """Create the tables of a new journal, within a transaction."""
    # AUTOINCREMENT: no sequence number is given out twice, even after its row was pruned.
    db.execute(
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
        " weight INTEGER NOT NULL, body TEXT NOT NULL, run INTEGER NOT NULL DEFAULT 0,"
        " crc INTEGER)"
    )
    write_names(db, names)


def write_names(db: sqlite3.Connection, names: JournalNames) -> None:
    """Store the names of the journal and its format, within a transaction."""
    values = [("journal", names.journal), ("station", names.station), ("crc", names.checksum)]
    for table in _META_TABLES:
        db.execute(
            f"CREATE TABLE IF NOT EXISTS {table}"
            " (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
        )
        db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", values)
    db.execute(f"PRAGMA user_version = {FORMAT}")


def read_names(db: sqlite3.Connection) -> JournalNames | None:
    """Return the names of the journal; None where the table and its copy are damaged."""
    for table in _META_TABLES:
        try:
            rows = db.execute(f"SELECT key, value FROM {table}").fetchall()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            continue
        values = {_text(key): _text(value) for key, value in rows}
        names = JournalNames(values.get("journal", ""), values.get("station", ""))
        if values.get("crc") == names.checksum:
            return names
    return None


def newer(path: Path, version: int) -> ForeignJournalError:
    """Return the error for a format that this version does not know."""
    return ForeignJournalError(
        f"{path}: written by a newer Outfeed (format {version}, this one knows {FORMAT})"
    )


def insert(db: sqlite3.Connection, journal: str, rows: Sequence[JournalRow]) -> None:
    """Store the rows under their own sequence numbers, within a transaction.

    A row replaces an older one with the same number.
    """
    db.executemany(
        f"INSERT OR REPLACE INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?)",
        (
            # Stored as text, so that the SQLite shell shows it.
            (row.sequence, row.run, row.weight, row.body.decode(), row.checksum(journal))
            for row in rows
        ),
    )


def newest(db: sqlite3.Connection, journal: str) -> JournalRow | None:
    """Return the row with the highest sequence number; None if it is missing or damaged."""
    columns = db.execute(f"SELECT {COLUMNS} FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
    return None if columns is None else proven_row(journal, *columns)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction, which takes the write lock at its start. An exception rolls it back."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def one(db: sqlite3.Connection, sql: str) -> int:
    """Return the single integer that a query returns; 0 for no row or NULL."""
    row = db.execute(sql).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def meta(db: sqlite3.Connection, key: str) -> str:
    """Return a value of the table ``meta``; "" if it is missing."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return _text(row[0]) if row else ""


def companion(path: Path, suffix: str) -> Path:
    """Return the path of a file beside the database, for instance with suffix ``-wal``."""
    return path.with_name(path.name + suffix)


def size_bytes(path: Path) -> int:
    """Return the size of a file; 0 if it is missing."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def is_damage(error: sqlite3.Error) -> bool:
    """Return True if the file is damaged, and not the disk, a lock or the folder at fault."""
    # sqlite_errorcode exists from Python 3.11 on; 3.10 has only the text.
    text = str(error)
    return any(sign in text for sign in _DAMAGE)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
