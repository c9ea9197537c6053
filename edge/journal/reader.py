"""The reader of a journal in another process than the writer."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from edge.errors import JournalError
from edge.events.event import gap_event
from edge.events.identity import JournalPosition, StoredEvent
from edge.journal.position import DAMAGED_ROWS, PublishedPosition, find_published, follows
from edge.journal.row import JournalRow, new_run, proven_row, run_name
from edge.journal.salvage import RowSalvage
from edge.journal.store import (
    COLUMNS,
    FORMAT,
    GIVEN,
    PLAUSIBLE_ROWS,
    JournalNames,
    companion,
    is_damage,
    newer,
    one,
    read_names,
)

log = logging.getLogger(__name__)

# The text of SQLite for an unreadable sector. A row in it counts as damaged.
_UNREADABLE = "disk I/O error"

_KNOWN_RUNS = 64


class JournalReader:
    """Reads rows and never delays the writer.

    A read is a few short statements, after which no lock and no snapshot is held. In WAL mode,
    readers and the writer do not wait for each other.

    Every returned row has a correct checksum. Where rows are damaged or missing, a gap event is
    returned in their place, and then the rows behind them.

    The file may be missing, appear later, or be replaced by a new journal at any time. The right to
    read the file and its folder is enough. While the journal is closed, it has no write-ahead log,
    and such a reader cannot create one. Then the file is read as one that does not change. For one
    thread at a time.
    """

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._file = (0, 0)
        self._at_rest: tuple[int, int] | None = None
        self._names = JournalNames("", "")
        self._salvage = RowSalvage(path)
        self._runs: OrderedDict[str, None] = OrderedDict()  # runs of the returned rows
        self._back: tuple[JournalPosition, PublishedPosition] | None = None

    def read(self, after: JournalPosition | None, limit: int) -> list[StoredEvent]:
        """Return at most ``limit`` rows after a position, the oldest first.

        With None, or a position in another journal, reading begins at the oldest row. If the
        journal went back behind the position, by a backup or by a disk that lost data, its
        unpublished rows are returned. The result is empty if there are no new rows, or no journal
        yet. Raises JournalError if the file cannot be read now; the next call opens it again.
        """
        rows: list[JournalRow] = []
        begin, given = (0 if after is None else after.published), 0
        damage: sqlite3.Error | None = None
        try:
            db = self._current()
            if db is None:
                return []
            given = one(db, GIVEN)  # read before the rows, because the writer may add more
            begin = self._place(db, after).sequence
            columns = db.execute(
                f"SELECT {COLUMNS} FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (begin, limit),
            ).fetchall()
            self._check_rest()
            if not columns:
                return []
            rows = _intact(self._names.journal, columns, begin)
        except sqlite3.Error as error:
            self.close()
            if not (is_damage(error) or _UNREADABLE in str(error)):
                raise JournalError(f"{self._path}: cannot be read: {error}") from error
            damage = error
        rows = rows or self._salvaged(after, begin, limit, given)
        if damage is not None and not rows and not self._salvage.has_rows:
            raise JournalError(f"{self._path}: cannot be read: {damage}") from damage
        return self._stored(rows)

    def latest(self, limit: int) -> list[StoredEvent]:
        """Return at most ``limit`` rows, the newest first, without damaged ones. Raises
        JournalError."""
        try:
            db = self._current()
            if db is None:
                return []
            latest = db.execute(
                f"SELECT {COLUMNS} FROM events ORDER BY sequence DESC LIMIT ?", (limit,)
            ).fetchall()
            self._check_rest()
        except sqlite3.Error as error:
            self.close()
            raise JournalError(f"{self._path}: cannot be read: {error}") from error
        rows = [proven_row(self._names.journal, *columns) for columns in latest]
        return self._stored([row for row in rows if row is not None])

    def journal(self) -> str:
        """Return the UUID of the present journal; empty if there is none, or it cannot be read."""
        try:
            return "" if self._current() is None else self._names.journal
        except (sqlite3.Error, JournalError):
            self.close()
            return ""

    def oldest(self) -> StoredEvent | None:
        """Return the oldest row that is not damaged; None if there is none. Raises JournalError."""
        try:
            db = self._current()
            if db is None:
                return None
            oldest = db.execute(
                f"SELECT {COLUMNS} FROM events ORDER BY sequence LIMIT {_KNOWN_RUNS}"
            ).fetchall()
            self._check_rest()
        except sqlite3.Error as error:
            self.close()
            raise JournalError(f"{self._path}: cannot be read: {error}") from error
        rows = [proven_row(self._names.journal, *columns) for columns in oldest]
        return next(iter(self._stored([row for row in rows if row is not None])), None)

    def run_segments(self, first: int, last: int) -> list[tuple[int, int, str]]:
        """Return the runs that wrote the numbers from ``first`` to ``last``, ascending.

        Each has its first and its last number within that range. The run is empty for numbers below
        the oldest row, and for those behind the newest one. A run wrote adjacent rows, so each end
        is found by bisection. Raises JournalError.
        """
        segments: list[tuple[int, int, str]] = []
        try:
            db = self._current()
            if db is None:
                return [(first, last, "")]
            at = first
            while at <= last:
                begin, run = _row_at(db, at)
                if run is None or begin > last:
                    segments.append((at, last, ""))
                    break
                if begin > at and not segments:
                    segments.append((at, begin - 1, ""))
                    at = begin
                end = _last_of_run(db, begin, last, run)
                segments.append((at, end, run_name(run)))
                at = end + 1
            self._check_rest()
        except sqlite3.Error as error:
            self.close()
            raise JournalError(f"{self._path}: cannot be read: {error}") from error
        return segments

    @property
    def behind(self) -> JournalPosition | None:
        """The position from which the present journal went back; None: it did not."""
        return None if self._back is None else self._back[0]

    def close(self) -> None:
        """Close the file. A later ``read`` opens it again."""
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

    def _place(self, db: sqlite3.Connection, after: JournalPosition | None) -> PublishedPosition:
        # The result is kept, because later rows may go beyond the position. It does not hold for a
        # new journal, whose rows begin at 1.
        is_same = after is not None and after.journal == self._names.journal
        if self._back is not None and self._back[0] == after and is_same:
            return self._back[1]
        place = find_published(db, self._names.journal, after, self._runs)
        if after is not None and place.went_back:
            log.error("journal_went_back published=%s to=%s", after.published, place.sequence)
            self._back = (after, place)
        return place

    def _salvaged(
        self, after: JournalPosition | None, begin: int, limit: int, given: int
    ) -> list[JournalRow]:
        """Return the intact rows of a damaged range, or a gap event if the next row is missing.

        begin: 0 if the number of the next row is not known. given: the last sequence number that
        was given out; 0 if it is not known.
        """
        saved = self._salvage.rows(self._names.journal, begin)
        if saved is not None and after is not None and saved.journal != after.journal and begin:
            begin = 0
            saved = self._salvage.rows(saved.journal, begin)
        if saved is None:
            is_plausible = begin < given <= begin + PLAUSIBLE_ROWS
            return [self._gap(begin, given, new_run())] if is_plausible else []
        self._names = JournalNames(saved.journal, self._names.station or saved.station)
        rows = [saved.rows[0]]
        if not follows(rows[0], begin):
            return [self._gap(begin, rows[0].sequence - 1, rows[0].run)]
        for row in saved.rows[1:limit]:
            if not follows(row, rows[-1].sequence):
                break
            rows.append(row)
        return rows

    def _gap(self, begin: int, last: int, run: int) -> JournalRow:
        """Return a gap event, as a row, for the missing rows from ``begin`` + 1 to ``last``."""
        log.error("journal_rows_damaged first=%s last=%s", begin + 1, last)
        gap = gap_event(
            self._names.station,
            count=last - begin if begin else None,
            first=begin + 1,
            last=last,
            reason=DAMAGED_ROWS,
        )
        return JournalRow(last, run, gap.weight, gap.model_dump_json().encode())

    def _stored(self, rows: Sequence[JournalRow]) -> list[StoredEvent]:
        stored = [
            StoredEvent(
                self._names.station,
                self._names.journal,
                run_name(row.run),
                row.sequence,
                row.body.decode(),
            )
            for row in rows
        ]
        for each in stored:
            self._runs[each.run] = None
        while len(self._runs) > _KNOWN_RUNS:
            self._runs.popitem(last=False)
        return stored

    def _current(self) -> sqlite3.Connection | None:
        """Return a connection to the file that is now at the path; None if there is none."""
        try:
            state = self._path.stat()
        except OSError:
            self.close()
            return None
        if not state.st_size:
            self.close()
            return None
        same = self._file == (state.st_dev, state.st_ino)
        if self._db is not None and same and self._at_rest in (None, self._rest()):
            return self._db
        self.close()
        db = self._connect()
        if db is not None:
            self._db, self._file = db, (state.st_dev, state.st_ino)
        return db

    def _connect(self) -> sqlite3.Connection | None:
        try:
            return self._identified("mode=ro")
        except sqlite3.OperationalError as error:
            # No right to write to the folder: the writer has closed the file, or it cannot be read.
            rest = self._rest()
            if rest is None or is_damage(error):
                raise
            db = self._identified("immutable=1")
            self._at_rest = None if db is None else rest
            return db

    def _identified(self, how: str) -> sqlite3.Connection | None:
        db = sqlite3.connect(
            f"file:{quote(str(self._path))}?{how}", uri=True, timeout=0.2, isolation_level=None
        )
        db.text_factory = bytes  # a damaged text may be invalid UTF-8
        try:
            names, version = read_names(db), one(db, "PRAGMA user_version")
            if version > FORMAT and (names is None or (version ^ FORMAT).bit_count() != 1):
                raise newer(self._path, version)
            if names is None:
                if version == FORMAT:
                    raise sqlite3.DatabaseError("malformed: its names")
                db.close()
                return None  # the writer is about to create or migrate it
            self._names = names
        except BaseException:
            db.close()
            raise
        return db

    def _check_rest(self) -> None:
        if self._at_rest is not None and self._at_rest != self._rest():
            raise sqlite3.OperationalError("the station has just opened the file")

    def _rest(self) -> tuple[int, int] | None:
        """Return the time and size of the file, which show whether it has changed.

        Return None while it has a write-ahead log: then a process has it open, or crashed.
        """
        if companion(self._path, "-wal").exists():
            return None
        try:
            state = self._path.stat()
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size


def _row_at(db: sqlite3.Connection, at: int) -> tuple[int, int | None]:
    """Return the first row with this number or a higher one, and its run; run None: none."""
    row = db.execute(
        "SELECT sequence, run FROM events WHERE sequence >= ? ORDER BY sequence LIMIT 1", (at,)
    ).fetchone()
    if row is None or not (isinstance(row[0], int) and isinstance(row[1], int)):
        return at, None
    return row[0], row[1]


def _last_of_run(db: sqlite3.Connection, begin: int, last: int, run: int) -> int:
    """Return the last number, from ``begin`` to ``last``, that belongs to the run of ``begin``."""
    low, high = begin, last
    while low < high:
        middle = (low + high + 1) // 2
        if _row_at(db, middle)[1] in (run, None):
            low = middle
        else:
            high = middle - 1
    return low


def _intact(journal: str, table: Sequence[Sequence[object]], begin: int) -> list[JournalRow]:
    """Return the intact rows from the first on, up to the first gap.

    begin: 0 if the number of the first row is not known.
    """
    rows: list[JournalRow] = []
    for columns in table:
        row = proven_row(journal, *columns)
        if row is None or not (follows(row, begin) or begin == 0):
            break
        rows.append(row)
        begin = row.sequence
    return rows
