"""The journal: every event of a station on disk, in order, before anyone else hears of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType

from edge.errors import JournalError
from edge.events.event import Event, gap_event
from edge.journal.capacity import MIN_MAX_BYTES, JournalCapacity
from edge.journal.cursor import read_cursor
from edge.journal.lock import FileLock
from edge.journal.opening import JournalOpener, OpenJournal
from edge.journal.prune import make_room, used_bytes
from edge.journal.row import JournalRow, new_run, run_name
from edge.journal.store import companion, insert, is_damage, one, size_bytes, transaction

# A lock on the database is held by readers for microseconds; longer means a frozen process.
BUSY_TIMEOUT_MS = 1000


_Made = tuple[int, bytes]
"""The weight of an event, and its keys as JSON."""


class PartlyStoredError(JournalError):
    """A batch above ``JournalCapacity.batch`` failed in the middle. ``stored`` are the sequences of
    the events at its beginning that are in the journal: only the others may be appended again."""

    def __init__(self, path: Path, cause: Exception, stored: range) -> None:
        super().__init__(f"{path}: only the first {len(stored)} events were stored: {cause}")
        self.stored = stored


class Journal:
    """SQLite in WAL mode; one writer, any number of ``JournalReader``s in other processes.

    Durability: when ``append`` returns, its events are on the disk and survive a crash of the
    process, of the kernel, and loss of power (synchronous=FULL; one fsync per call). The cheaper
    NORMAL could forget commits at power loss that the uplink has already published, and would
    then give their sequences to other events, which receivers would drop as repeats.

    Threads: any thread may call; calls are serialised. ``append`` blocks for a disk write, so it
    belongs on a thread of its own, behind a bounded queue.
    """

    def __init__(self, path: Path, station: str, max_bytes: int, cursor_path: Path) -> None:
        """Use ``Journal.open``."""
        self._path = path
        self._station = station
        self._budget = JournalCapacity(max_bytes)
        self._cursor_path = cursor_path
        self._run = new_run()
        self._last = 0
        self._opened: OpenJournal | None = None
        self._file = (0, 0)
        self._guard = Lock()
        self._opening = JournalOpener(
            path, station, cursor_path, self._run, BUSY_TIMEOUT_MS, self._budget.log_empty
        )
        self._lock = FileLock(
            path.with_suffix(".lock"), held="another station is running on this folder"
        )
        try:
            with self._one_line():
                self._start()
        except BaseException:
            self._lock.release()
            raise

    @classmethod
    def open(cls, path: Path, *, station: str, max_bytes: int, cursor_path: Path) -> Journal:
        """Open the journal, or begin a new one where there is none.

        max_bytes: the disk that the database, its -wal and its -shm may use together, at least
        MIN_MAX_BYTES. cursor_path: where the uplink keeps how far it has published.

        A damaged journal is renamed to ``*.damaged`` (the one before is removed); every row that
        can be proven goes into a new file under its old identity, and a gap event follows. A
        journal that was emptied, or that went back behind the cursor, begins anew with a gap event.
        Raises JournalError for a folder that cannot be written, a journal of another station or of
        a newer Outfeed, and while another process has it open.
        """
        if max_bytes < MIN_MAX_BYTES:
            raise JournalError(f"{path}: {max_bytes} bytes are too few, need {MIN_MAX_BYTES}")
        return cls(path, station, max_bytes, cursor_path)

    @property
    def uuid(self) -> str:
        """Identity of this journal: a new one where it was damaged beyond its name, or emptied."""
        return self._uuid

    @property
    def run(self) -> str:
        """Drawn at this start of the writer; part of the identity of every event that it stores."""
        return run_name(self._run)

    @property
    def last_sequence(self) -> int:
        """The last sequence given out, 0 for a new journal."""
        return self._last

    def append(self, events: Sequence[Event]) -> range:
        """Store the events, in order, and return their sequences.

        All or nothing: one transaction (a batch above ``JournalCapacity.batch``, 1 MiB for a cap of
        16 MiB and more, takes several, and raises PartlyStoredError where a later one fails).
        At the cap the oldest rows go, published ones first; where unpublished ones must go, a
        GapEvent takes the place and the sequence of the last of them. Raises JournalError when
        the disk is full or the file cannot be written: the events are then not stored, and the
        caller may try again. A file found damaged is replaced as in ``open``.
        """
        rows: list[_Made] = [(event.weight, event.model_dump_json().encode()) for event in events]
        with self._guard, self._one_line():
            try:
                return self._append(rows)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._mend(str(error))
                return self._append(rows)

    def close(self) -> None:
        """Empty the write-ahead log and let go of the files. May be called twice."""
        with self._guard:
            if self._opened is not None:
                self._opened.db.close()
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, rows: list[_Made]) -> range:
        stored = range(0)
        for part in _parts(rows, self._budget.batch):
            try:
                done = self._store(part)
            except (sqlite3.Error, JournalError) as error:
                if not stored:
                    raise
                raise PartlyStoredError(self._path, error, stored) from error
            stored = range(stored.start or done.start, done.stop)
        return stored

    def _store(self, rows: list[_Made]) -> range:
        self._keep_the_file()
        if self._wal_bytes() > self._budget.log_empty:
            self._checkpoint()
            if self._wal_bytes() > self._budget.log_full:
                raise JournalError(
                    f"{self._path}: a frozen reader keeps its log from being emptied"
                )
        done = range(self._last + 1, self._last + 1 + len(rows))
        with transaction(self._db):
            self._prune(sum(len(body) for _, body in rows))
            insert(
                self._db,
                self._uuid,
                [JournalRow(n, self._run, *made) for n, made in zip(done, rows, strict=True)],
            )
        self._last = done.stop - 1
        return done

    def _prune(self, need_bytes: int) -> None:
        limit = self._budget.rows
        if used_bytes(self._db, need_bytes) <= limit:
            return
        position = read_cursor(self._cursor_path)
        published = position.published if position and position.journal == self._uuid else 0
        lost = make_room(
            self._db, self._uuid, need_bytes=need_bytes, limit=limit, published=published
        )
        if lost is None:
            return
        gap = gap_event(
            self._station,
            count=lost.count,
            first=lost.first,
            last=lost.last,
            reason="the journal was full of unpublished events",
        )
        body = gap.model_dump_json().encode()
        # Under the run of the event whose place it takes: the cursor may stand on it.
        insert(self._db, self._uuid, [JournalRow(lost.last, lost.run, gap.weight, body)])

    def _fit(self) -> None:
        """Bring a journal that was written under a larger cap below the present one."""
        with transaction(self._db):
            self._prune(0)
        limit_pages = self._budget.database // one(self._db, "PRAGMA page_size")
        if one(self._db, "PRAGMA page_count") > limit_pages:
            self._db.executescript("PRAGMA incremental_vacuum")  # execute() would step once
        self._checkpoint()
        self._db.execute(f"PRAGMA max_page_count = {limit_pages}").fetchall()

    def _start(self) -> None:
        opened = self._opening.open()
        try:
            self._use(opened)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._mend(str(error))

    def _use(self, opened: OpenJournal) -> None:
        """Go on with this file."""
        self._opened, self._uuid = opened, opened.journal
        self._last = opened.last
        state = self._path.stat()
        self._file = (state.st_dev, state.st_ino)
        self._fit()

    def _mend(self, why: str, *, is_whole: bool = False) -> None:
        """Go on with a new file that has what could be saved of this one."""
        old, self._opened = self._opened, None
        self._use(self._opening.repair(why, old, is_whole=is_whole))

    @property
    def _db(self) -> sqlite3.Connection:
        """Opened again where a repair failed, for want of room."""
        if self._opened is None:
            self._start()
        assert self._opened is not None
        return self._opened.db

    def _keep_the_file(self) -> None:
        """See to it that what is at the path is the file that is written. Raises sqlite3.Error."""
        if self._opened is None:
            self._start()
        try:
            state = self._path.stat()
        except FileNotFoundError:
            found = (0, 0)
        else:
            if not state.st_size:
                raise sqlite3.DatabaseError("malformed: its file was emptied")
            found = (state.st_dev, state.st_ino)
        if found != self._file:
            # The file that was taken away is still open: everything is in it.
            self._mend("its file was removed or replaced", is_whole=True)

    def _checkpoint(self) -> None:
        """Move the log into the database and cut it; does nothing while a reader is reading."""
        self._db.execute("PRAGMA busy_timeout = 0").fetchall()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").fetchall()

    def _wal_bytes(self) -> int:
        return size_bytes(companion(self._path, "-wal"))

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Whatever SQLite or the system says becomes one line that names the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from error
        except OSError as error:
            raise JournalError(f"{self._path}: {error.strerror}") from error


def _parts(rows: list[_Made], limit_bytes: int) -> Iterator[list[_Made]]:
    """The rows in runs of at most limit_bytes, but at least one row."""
    part: list[_Made] = []
    size = 0
    for row in rows:
        size += len(row[1])
        if part and size > limit_bytes:
            yield part
            part, size = [], len(row[1])
        part.append(row)
    if part:
        yield part
