"""The journal's file format: one SQLite database in WAL mode, shared by writer and reader."""

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
    """The journal is another station's or a newer Outfeed's: a person has to decide."""


FORMAT = 2
"""user_version of the database. A newer one is refused, an older one is brought up to date."""

_META_TABLES = ("meta", "meta_copy")  # on a page each

# In SQLite's texts, where a page is not what it should be. A name that is not there was altered.
_DAMAGE = ("malformed", "not a database", "no such table", "no such column", "unsupported file")

GIVEN = "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
"""The last sequence given out, by a row of its own in the database."""

PLAUSIBLE_ROWS = 4096
"""A last sequence further than this from the last row, some lost pages, is made up by damage."""

COLUMNS = "sequence, run, weight, body, crc"
"""Of the table events, in the order in which ``read_rows`` and ``Journal`` name them."""


def connect_writer(path: Path, *, busy_timeout_ms: int, wal_bytes: int) -> sqlite3.Connection:
    """The writer's connection; transactions are begun by hand. Creates an empty file."""
    db = sqlite3.connect(
        path, timeout=busy_timeout_ms / 1000, isolation_level=None, check_same_thread=False
    )
    try:
        db.text_factory = bytes  # a damaged text is no valid UTF-8
        # auto_vacuum lets pages freed by pruning be given back when the cap is lowered. It counts
        # only before the first page is written, and WAL writes one.
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {wal_bytes}").fetchall()
        # Half of it, at most SQLite's own 1000 pages: in step with the readers the log seldom
        # needs to be cut by force.
        pages = min(1000, wal_bytes // 2 // one(db, "PRAGMA page_size"))
        db.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


@dataclass(frozen=True, slots=True)
class JournalNames:
    """The identity that a journal stores: its own name and its station's."""

    journal: str
    station: str

    @property
    def checksum(self) -> str:
        """Of both and the format."""
        return f"{zlib.crc32(f'{self.journal}:{self.station}:{FORMAT}'.encode()):08x}"


def create(db: sqlite3.Connection, names: JournalNames) -> None:
    """Make the tables of a new journal, within a transaction."""
    # AUTOINCREMENT: a sequence is never given out twice, not even after its row was pruned.
    db.execute(
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
        " weight INTEGER NOT NULL, body TEXT NOT NULL, run INTEGER NOT NULL DEFAULT 0,"
        " crc INTEGER)"
    )
    write_names(db, names)


def write_names(db: sqlite3.Connection, names: JournalNames) -> None:
    """Store what the journal is called, and its format, within a transaction."""
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
            found = db.execute(f"SELECT key, value FROM {table}").fetchall()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            continue
        values = {_text(key): _text(value) for key, value in found}
        names = JournalNames(values.get("journal", ""), values.get("station", ""))
        if values.get("crc") == names.checksum:
            return names
    return None


def newer(path: Path, version: int) -> ForeignJournalError:
    """The complaint about a format that this version does not know."""
    return ForeignJournalError(
        f"{path}: written by a newer Outfeed (format {version}, this one knows {FORMAT})"
    )


def insert(db: sqlite3.Connection, journal: str, rows: Sequence[JournalRow]) -> None:
    """Store the rows under their own sequences, within a transaction. A row that has the sequence
    of another takes its place."""
    db.executemany(
        f"INSERT OR REPLACE INTO events ({COLUMNS}) VALUES (?, ?, ?, ?, ?)",
        (
            # Text, so that a person's SQLite shell shows it.
            (row.sequence, row.run, row.weight, row.body.decode(), row.checksum(journal))
            for row in rows
        ),
    )


def newest(db: sqlite3.Connection, journal: str) -> JournalRow | None:
    """The row with the highest sequence; None where there is none or it is damaged."""
    found = db.execute(f"SELECT {COLUMNS} FROM events ORDER BY sequence DESC LIMIT 1").fetchone()
    return None if found is None else proven_row(journal, *found)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. Takes the write lock at the start."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def one(db: sqlite3.Connection, sql: str) -> int:
    """The single whole number that a statement answers with, or 0 for none."""
    row = db.execute(sql).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def meta(db: sqlite3.Connection, key: str) -> str:
    """A value of the meta table, or an empty text."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return _text(row[0]) if row else ""


def companion(path: Path, suffix: str) -> Path:
    """SQLite's files beside the database: ``-wal`` and ``-shm``."""
    return path.with_name(path.name + suffix)


def size_bytes(path: Path) -> int:
    """Size of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is bad, as opposed to the disk, a lock or the folder."""
    # sqlite_errorcode exists from Python 3.11 on; 3.10 has only the text.
    text = str(error)
    return any(sign in text for sign in _DAMAGE)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
