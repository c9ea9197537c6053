"""The journal as other processes see it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from edge.errors import JournalError
from edge.events.cursor import Position
from edge.events.identity import Stored
from edge.events.row import Row, run_name
from edge.events.store import COLUMNS, FORMAT, companion, file_format, meta


class JournalReader:
    """Reads rows without ever holding up the writer: a read is one short statement, after which
    no lock and no snapshot is kept (WAL readers and the writer do not wait for each other).

    The file may be missing, appear later, or be replaced by a new journal at any time. It is enough
    to be allowed to read it and its folder: while the journal is closed, its write-ahead log is
    gone and cannot be made here, and then the file is read as one that does not change. For one
    thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Opens nothing yet."""
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._at_rest: tuple[int, int] | None = None
        self._journal = ""
        self._station = ""

    def read(self, after: Position | None, limit: int) -> list[Stored]:
        """At most ``limit`` rows that come after a position, oldest first.

        A position in another journal, or None, means from the oldest row on. Empty where there is
        nothing new or no journal yet. Raises JournalError for a file that cannot be read; the
        next call tries afresh.
        """
        same = after is not None and self._current() is not None and after.journal == self._journal
        published = after.published if after is not None and same else 0
        return self._rows("WHERE sequence > ? ORDER BY sequence LIMIT ?", published, limit)

    def latest(self, limit: int) -> list[Stored]:
        """At most ``limit`` rows, the newest first; otherwise as ``read``."""
        return self._rows("ORDER BY sequence DESC LIMIT ?", limit)

    def close(self) -> None:
        """Let go of the file. A later ``read`` opens it again."""
        if self._db is not None:
            self._db.close()
            self._db = None
            self._at_rest = None

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _rows(self, which: str, *values: int) -> list[Stored]:
        try:
            db = self._current()
            if db is None:
                return []
            found = db.execute(f"SELECT {COLUMNS} FROM events {which}", values).fetchall()
            if self._at_rest is not None and self._at_rest != self._rest():
                raise sqlite3.OperationalError("the station has just opened it")
        except sqlite3.Error as error:
            self.close()
            raise JournalError(f"{self._path}: cannot be read: {error}") from error
        return [self._stored(Row(*columns[:4])) for columns in found]

    def _stored(self, row: Row) -> Stored:
        body = row.body.decode()
        return Stored(self._station, self._journal, run_name(row.run), row.sequence, body)

    def _current(self) -> sqlite3.Connection | None:
        """A connection to the file that is now at the path; None while there is none."""
        try:
            state = self._path.stat()
        except OSError:
            self.close()
            return None
        same = self._file == (state.st_dev, state.st_ino)
        if self._db is not None and same and self._at_rest in (None, self._rest()):
            return self._db
        self.close()
        try:
            db = self._connect()
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: cannot be read: {error}") from error
        if db is not None:
            self._db, self._file = db, (state.st_dev, state.st_ino)
        return db

    def _connect(self) -> sqlite3.Connection | None:
        try:
            return self._identified("mode=ro")
        except sqlite3.OperationalError:
            # Without the right to write the folder: nobody has it open, or it cannot be read.
            rest = self._rest()
            if rest is None:
                raise
            db = self._identified("immutable=1")
            self._at_rest = None if db is None else rest
            return db

    def _identified(self, how: str) -> sqlite3.Connection | None:
        db = sqlite3.connect(
            f"file:{quote(str(self._path))}?{how}", uri=True, timeout=0.2, isolation_level=None
        )
        db.text_factory = bytes  # a damaged text is no valid UTF-8
        try:
            if file_format(db, self._path) < FORMAT:
                db.close()
                return None  # the writer is about to create it, or to bring it up to date
            self._journal, self._station = meta(db, "journal"), meta(db, "station")
        except BaseException:
            db.close()
            raise
        return db

    def _rest(self) -> tuple[int, int] | None:
        """What tells whether the file has changed since; None while it has a write-ahead log, that
        is, while somebody has it open or died with it."""
        if companion(self._path, "-wal").exists():
            return None
        try:
            state = self._path.stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size
