"""The writer of the journal: it stores events on the disk, in order, before publication."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType

from edge.errors import JournalError
from edge.events.event import Event, gap_event
from edge.events.identity import JournalPosition
from edge.journal.capacity import MIN_MAX_BYTES, JournalCapacity
from edge.journal.cursor import read_cursor
from edge.journal.lock import FileLock
from edge.journal.opening import JournalOpener, OpenJournal
from edge.journal.prune import prune, used_bytes
from edge.journal.row import JournalRow, new_run, run_name
from edge.journal.store import companion, insert, is_damage, one, size_bytes, transaction

# Readers lock the database for microseconds. A longer lock means a process that hangs.
BUSY_TIMEOUT_MS = 1000


_Made = tuple[int, bytes]
"""The weight of an event, and its keys as JSON text."""


class PartlyStoredError(JournalError):
    """A batch larger than ``JournalCapacity.batch`` failed after some of its events were stored.

    stored: the sequence numbers of the first events, which are in the journal. Append only the
    others again.
    """

    def __init__(self, path: Path, cause: Exception, stored: range) -> None:
        super().__init__(f"{path}: only the first {len(stored)} events were stored: {cause}")
        self.stored = stored


class Journal:
    """The journal of a station, in SQLite with WAL mode.

    There is one writer, and any number of ``JournalReader`` objects in other processes.

    Durability: when ``append`` returns, its events are on the disk. They survive a crash of the
    process or the kernel, and a power loss (synchronous=FULL; one fsync for each call). With the
    cheaper NORMAL, a power loss could undo commits that the uplink has already published. Their
    sequence numbers would then be given to other events, which receivers would drop as repeats.

    Synchronization: any thread may call; calls are serialised. ``append`` blocks for a disk write,
    so call it on a separate thread, behind a queue of limited length.
    """

    def __init__(self, path: Path, station: str, max_bytes: int, cursor_path: Path) -> None:
        """Use ``Journal.open``."""
        self._path = path
        self._station = station
        self._capacity = JournalCapacity(max_bytes)
        self._cursor_path = cursor_path
        self._run = new_run()
        self._last = 0
        self._opened: OpenJournal | None = None
        self._file = (0, 0)
        self._calls = Lock()
        self._opening = JournalOpener(
            path, station, cursor_path, self._run, BUSY_TIMEOUT_MS, self._capacity.log_empty
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
        """Open the journal, or begin a new one if there is none. Blocks on the disk.

        A damaged journal is renamed to ``*.damaged``; an older such file is removed. Every intact
        row is copied to a new file with the old UUID, and a gap event follows. If a journal was
        emptied, or went back behind the cursor, a new one begins with a gap event.

        Args:
            path: The database.
            station: The id of the station.
            max_bytes: Most bytes of the database and its -wal and -shm files together, at least
                MIN_MAX_BYTES.
            cursor_path: The file in which the uplink saves its position.

        Raises:
            JournalError: The folder cannot be written; the journal belongs to another station or to
                a newer version of Outfeed; or another process has it open.
        """
        if max_bytes < MIN_MAX_BYTES:
            raise JournalError(f"{path}: {max_bytes} bytes are too few, need {MIN_MAX_BYTES}")
        return cls(path, station, max_bytes, cursor_path)

    @property
    def uuid(self) -> str:
        """The UUID of this journal. A new one is made if the old one was emptied, or damaged so far
        that its UUID is lost."""
        return self._uuid

    @property
    def run(self) -> str:
        """The run of this writer, drawn at its start. It is part of the identity of its events."""
        return run_name(self._run)

    @property
    def last_sequence(self) -> int:
        """The last sequence number given out; 0 for a new journal."""
        return self._last

    def append(self, events: Sequence[Event]) -> range:
        """Store the events, in order, and return their sequence numbers. Blocks for an fsync.

        All events are stored in one transaction. A batch above ``JournalCapacity.batch``, which is
        1 MiB for a capacity of 16 MiB or more, needs several.

        At the capacity the oldest rows are removed. If they include events that were not delivered
        (``JournalPosition.delivered``), a GapEvent gets the place and the sequence number of the
        last of them. A damaged file is replaced as in ``open``.

        Raises:
            JournalError: The disk is full, or the file cannot be written. No event is stored, and
                the caller may try again.
            PartlyStoredError: Only the first events of a large batch are stored.
        """
        rows: list[_Made] = [(event.weight, event.model_dump_json().encode()) for event in events]
        with self._calls, self._one_line():
            try:
                return self._append(rows)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._repair(str(error))
                return self._append(rows)

    def close(self) -> None:
        """Empty the write-ahead log and close the files. May be called twice."""
        with self._calls:
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
        for part in _parts(rows, self._capacity.batch):
            try:
                done = self._store(part)
            except (sqlite3.Error, JournalError) as error:
                if not stored:
                    raise
                raise PartlyStoredError(self._path, error, stored) from error
            stored = range(stored.start or done.start, done.stop)
        return stored

    def _store(self, rows: list[_Made]) -> range:
        self._check_file()
        if self._wal_bytes() > self._capacity.log_empty:
            self._checkpoint()
            if self._wal_bytes() > self._capacity.log_full:
                raise JournalError(
                    f"{self._path}: a reader that hangs keeps its log from being emptied"
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
        limit = self._capacity.rows
        if used_bytes(self._db, need_bytes) <= limit:
            return
        position = read_cursor(self._cursor_path)
        if position is None or position.journal != self._uuid:
            position = JournalPosition(self._uuid, 0)
        lost = prune(
            self._db,
            self._uuid,
            need_bytes=need_bytes,
            limit=limit,
            delivered=position.delivered,
        )
        if lost is None:
            return
        waited_for = "unpublished events"
        if lost.last <= position.published:
            waited_for = "events that the central system had not committed"
        gap = gap_event(
            self._station,
            count=lost.count,
            first=lost.first,
            last=lost.last,
            reason=f"the journal was full of {waited_for}",
        )
        body = gap.model_dump_json().encode()
        # It gets the run of the event that it replaces, because the cursor may be at this event.
        insert(self._db, self._uuid, [JournalRow(lost.last, lost.run, gap.weight, body)])

    def _fit(self) -> None:
        """Shrink a journal that was written with a larger capacity."""
        with transaction(self._db):
            self._prune(0)
        limit_pages = self._capacity.database // one(self._db, "PRAGMA page_size")
        if one(self._db, "PRAGMA page_count") > limit_pages:
            self._db.executescript("PRAGMA incremental_vacuum")  # execute() frees one page only
        self._checkpoint()
        self._db.execute(f"PRAGMA max_page_count = {limit_pages}").fetchall()

    def _start(self) -> None:
        current = self._opening.open()
        try:
            self._use(current)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._repair(str(error))

    def _use(self, current: OpenJournal) -> None:
        """Use this file from now on."""
        self._opened, self._uuid = current, current.journal
        self._last = current.last
        state = self._path.stat()
        self._file = (state.st_dev, state.st_ino)
        self._fit()

    def _repair(self, why: str, *, is_whole: bool = False) -> None:
        """Continue with a new file that has the intact rows of this one."""
        old, self._opened = self._opened, None
        self._use(self._opening.repair(why, old, is_whole=is_whole))

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection, current again if a repair failed, for instance on a full disk."""
        if self._opened is None:
            self._start()
        assert self._opened is not None
        return self._opened.db

    def _check_file(self) -> None:
        """Repair unless the open file is the one at the path. Raises sqlite3.Error."""
        if self._opened is None:
            self._start()
        try:
            state = self._path.stat()
        except FileNotFoundError:
            identity = (0, 0)
        else:
            if not state.st_size:
                raise sqlite3.DatabaseError("malformed: its file was emptied")
            identity = (state.st_dev, state.st_ino)
        if identity != self._file:
            # The removed file is still open, and has all rows.
            self._repair("its file was removed or replaced", is_whole=True)

    def _checkpoint(self) -> None:
        """Move the log into the database and truncate it. Has no effect during a read."""
        self._db.execute("PRAGMA busy_timeout = 0").fetchall()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}").fetchall()

    def _wal_bytes(self) -> int:
        return size_bytes(companion(self._path, "-wal"))

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Turn an error of SQLite or the system into a JournalError that names the file."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from error
        except OSError as error:
            raise JournalError(f"{self._path}: {error.strerror}") from error


def _parts(rows: list[_Made], limit_bytes: int) -> Iterator[list[_Made]]:
    """Yield the rows in groups of at most limit_bytes, or of one larger row."""
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
