"""The opening of a journal for its writer: new, intact, damaged, emptied or restored files."""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from edge.events.event import gap_event
from edge.journal.cursor import read_cursor
from edge.journal.migrate import migrate
from edge.journal.pages import JournalPages, ProvenRow
from edge.journal.position import DAMAGED_ROWS, find_published, follows
from edge.journal.row import JournalRow, proven_row
from edge.journal.store import (
    COLUMNS,
    FORMAT,
    GIVEN,
    PLAUSIBLE_ROWS,
    ForeignJournalError,
    JournalNames,
    companion,
    connect_writer,
    create,
    insert,
    is_damage,
    meta,
    newer,
    newest,
    one,
    read_names,
    size_bytes,
    transaction,
)

log = logging.getLogger(__name__)

_STEP_ROWS = 256

_SUFFIXES = ("", "-wal", "-shm")
_HEADER_BYTES = 100


@dataclass(frozen=True, slots=True)
class OpenJournal:
    """A journal that can be written. last: the last sequence number that was given out."""

    db: sqlite3.Connection
    journal: str
    last: int


@dataclass(frozen=True, slots=True)
class JournalOpener:
    """Opens and repairs the journal of a station, for one run of its writer.

    All methods block on the disk. They raise sqlite3.Error and OSError, and ForeignJournalError for
    a journal that must not be changed.
    """

    path: Path
    station: str
    cursor_path: Path
    run: int
    busy_timeout_ms: int
    wal_bytes: int

    def open(self) -> OpenJournal:
        """Open the file, or begin a new journal if there was none.

        A damaged journal is repaired. After one was emptied or restored from a backup, a new one
        begins. A gap event reports each of these. A journal of another station, or of a newer
        version of Outfeed, is not changed.
        """
        if not self.path.exists() and size_bytes(self._new_path):
            log.warning("journal_repair_finished path=%s", self.path)
            self._exchange()
        if size_bytes(self.path) == 0:
            return self._begin()
        with JournalPages(self.path) as pages:
            try:
                current = self._opened()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                return self.repair(str(error))
            return self._begin() if current is None else self._completed(current, pages)

    def repair(
        self, why: str, old: OpenJournal | None = None, *, is_whole: bool = False
    ) -> OpenJournal:
        """Write a new file with every intact row, under the UUID of the old journal.

        The old file is renamed to ``*.damaged``; only the last such file is kept. Blocks: 10 s for
        256 MiB.

        Args:
            why: The fault, for the log and the gap event.
            old: The journal that was open until now. It is closed.
            is_whole: True to take the rows from ``old``, because its file was removed from the path
                or replaced there.
        """
        log.error("journal_damaged path=%s why=%s", self.path, why)
        new = self._new_path
        for suffix in _SUFFIXES:
            companion(new, suffix).unlink(missing_ok=True)
        with JournalPages(self.path) as pages:
            if old is not None and is_whole:
                rows = _rows_of(old)
            else:
                if old is not None:
                    old.db.close()
                position = read_cursor(self.cursor_path)
                known = [] if position is None else [position.journal]
                known += [] if old is None else [old.journal]
                rows = pages.rows([*known, *pages.journals()])
            self._write_anew(new, rows, pages.last_given(), why)
        if old is not None:
            old.db.close()  # before the exchange, as SQLite removes the -wal file by its name
        self._exchange()
        current = self._opened()
        assert current is not None
        return current

    def _begin(self) -> OpenJournal:
        """Begin a new journal; repair it if a cursor or a log file shows that one existed."""
        wal = companion(self.path, "-wal")
        if read_cursor(self.cursor_path) is not None or size_bytes(wal):
            return self.repair("its file was empty or missing")
        return self._fresh()

    @property
    def _new_path(self) -> Path:
        return companion(self.path, ".new")

    def _exchange(self) -> None:
        """Set the file aside and put the new one in its place.

        A crash in between leaves no file at the path. ``open`` then finishes the exchange.
        """
        self._set_aside()
        self._new_path.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _set_aside(self) -> None:
        """Rename the file to ``*.damaged``. It must be closed. An older such file is removed."""
        # The database is renamed first: SQLite ignores a -wal file beside a missing database, but
        # it would trust a database whose -wal file is missing.
        for suffix in _SUFFIXES:
            aside = companion(self.path, ".damaged" + suffix)
            try:
                companion(self.path, suffix).replace(aside)
            except FileNotFoundError:
                aside.unlink(missing_ok=True)

    def _fresh(self) -> OpenJournal:
        db, journal = self._connect(self.path), str(uuid.uuid4())
        try:
            with transaction(db):
                create(db, JournalNames(journal, self.station))
        except BaseException:
            db.close()
            raise
        return OpenJournal(db, journal, 0)

    def _opened(self) -> OpenJournal | None:
        """Open the file. Return None for a file without tables, after a crash at its creation."""
        with self.path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        if header[18:20] > b"\2\2":  # SQLite would open it read-only
            raise sqlite3.DatabaseError("malformed: its header")
        db = self._connect(self.path)
        try:
            names = self._names(db)
            if names is None:
                db.close()
                return None
            if names.station != self.station:
                raise ForeignJournalError(
                    f"{self.path}: belongs to station '{names.station}', not '{self.station}'"
                )
            row, given = newest(db, names.journal), one(db, GIVEN)
            if row is None and one(db, "SELECT count(*) FROM events"):
                raise sqlite3.DatabaseError("malformed: its newest row")
            if row is not None and row.sequence != given:
                raise sqlite3.DatabaseError("malformed: its last sequence")
            return OpenJournal(db, names.journal, given)
        except BaseException:
            db.close()
            raise

    def _names(self, db: sqlite3.Connection) -> JournalNames | None:
        """Return the names of the journal; None where it has no tables yet."""
        names = read_names(db)
        version = one(db, "PRAGMA user_version")
        if names is None and version == 0 and not one(db, "SELECT count(*) FROM sqlite_master"):
            return None
        # A format number with one flipped bit is damage: the checksum of the names covers it.
        is_flipped = names is not None and (version ^ FORMAT).bit_count() == 1
        if version > FORMAT and not is_flipped:
            raise newer(self.path, version)
        if version not in (1, FORMAT) or (names is None) != (version == 1):
            raise sqlite3.DatabaseError("malformed: its names or its format")
        # Takes 0.3 s for 256 MB in the page cache. Rows below a damaged page cannot be read.
        result = bytes(db.execute("PRAGMA quick_check(1)").fetchone()[0]).decode(errors="replace")
        if result != "ok":
            raise sqlite3.DatabaseError(f"malformed: {result}")
        if names is None:
            names = JournalNames(meta(db, "journal"), meta(db, "station"))
            migrate(db, names)
        return names

    def _completed(self, current: OpenJournal, pages: JournalPages) -> OpenJournal:
        """Add the rows that SQLite dropped at a damaged frame of the log, and check the cursor."""
        db = current.db
        try:
            dropped = {
                each.row.sequence: each.row
                for each in pages.log_rows(current.journal, current.last)
            }
            if dropped:
                log.warning("journal_rows_dropped_by_sqlite count=%s", len(dropped))
                with transaction(db):
                    insert(db, current.journal, list(dropped.values()))
                current = replace(current, last=max(dropped))
            return self._checked_by_cursor(current)
        except BaseException:
            db.close()
            raise

    def _checked_by_cursor(self, current: OpenJournal) -> OpenJournal:
        """Report a journal that went back. Begin a new one, unless it has unpublished events."""
        db = current.db
        position = read_cursor(self.cursor_path)
        place = find_published(db, current.journal, position)
        if position is None or not place.went_back:
            return current
        log.warning("journal_went_back published=%s last=%s", position.published, current.last)
        reason = (
            f"the journal went back from {position.published} to {current.last}, by a backup or a "
            "disk that lost data; unpublished events after the former are lost"
        )
        if not one(db, f"SELECT count(*) FROM events WHERE sequence > {place.sequence}"):
            # No sequence number may be given out twice. The position comes from another user, with
            # access to the network. So no row is deleted because of it; the file is set aside.
            db.close()
            self._set_aside()
            current = self._fresh()
        with transaction(current.db):
            return self._insert_gap(current, reason)

    def _write_anew(
        self, path: Path, proven: Iterable[ProvenRow], given: Iterable[int], why: str
    ) -> None:
        rows = iter(proven)
        first = next(rows, None)
        journal = str(uuid.uuid4()) if first is None else first.journal
        db = self._connect(path)
        try:
            db.execute("PRAGMA synchronous = OFF")  # not read before the last transaction
            with transaction(db):
                create(db, JournalNames(journal, self.station))
            batch: list[JournalRow] = []
            for each in chain([] if first is None else [first], rows):
                if each.journal == journal:
                    batch.append(each.row)
                if len(batch) == _STEP_ROWS:
                    with transaction(db):
                        insert(db, journal, batch)
                    batch = []
            db.execute("PRAGMA synchronous = FULL")
            with transaction(db):
                insert(db, journal, batch)
                begin = 0
                position = read_cursor(self.cursor_path)
                if position is not None and position.journal == journal:
                    begin = position.published
                self._insert_first_gap(db, journal, begin)
                last = max(begin, one(db, "SELECT max(sequence) FROM events"))
                last = max([last, *(each for each in given if each <= last + PLAUSIBLE_ROWS)])
                count = one(db, "SELECT count(*) FROM events")
                reason = f"the journal was damaged: {why[:200]}; {count} events were taken over"
                self._insert_gap(OpenJournal(db, journal, last), reason)
            # After the checkpoint only one file must be renamed.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            db.close()

    def _insert_first_gap(self, db: sqlite3.Connection, journal: str, begin: int) -> None:
        """Insert a gap event if rows are missing before the first unpublished one.

        ``JournalReader`` finds later gaps.
        """
        columns = db.execute(
            f"SELECT {COLUMNS} FROM events WHERE sequence > {begin} ORDER BY sequence LIMIT 1"
        ).fetchone()
        row = None if columns is None else proven_row(journal, *columns)
        if row is None or follows(row, begin):
            return
        last = row.sequence - 1
        gap = gap_event(
            self.station, count=last - begin, first=begin + 1, last=last, reason=DAMAGED_ROWS
        )
        insert(db, journal, [JournalRow(last, row.run, gap.weight, gap.model_dump_json().encode())])

    def _insert_gap(self, current: OpenJournal, reason: str) -> OpenJournal:
        """Insert a gap event with an unknown count, within a transaction."""
        gap = gap_event(self.station, count=None, reason=reason)
        row = JournalRow(current.last + 1, self.run, gap.weight, gap.model_dump_json().encode())
        insert(current.db, current.journal, [row])
        return replace(current, last=row.sequence)

    def _connect(self, path: Path) -> sqlite3.Connection:
        return connect_writer(path, busy_timeout_ms=self.busy_timeout_ms, wal_bytes=self.wal_bytes)


def _rows_of(current: OpenJournal) -> Iterator[ProvenRow]:
    for columns in current.db.execute(f"SELECT {COLUMNS} FROM events ORDER BY sequence"):
        row = proven_row(current.journal, *columns)
        if row is not None:
            yield ProvenRow(current.journal, row)
