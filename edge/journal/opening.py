"""A journal's file, brought into a state in which the writer can go on, whatever happened to it."""

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
    """A journal that can be written. last: the last sequence given out."""

    db: sqlite3.Connection
    journal: str
    last: int


@dataclass(frozen=True, slots=True)
class JournalOpener:
    """The ways to open the journal of a station, for one run of its writer. All block for the disk,
    and raise sqlite3.Error, OSError, and ForeignJournalError for a journal to be left alone."""

    path: Path
    station: str
    cursor_path: Path
    run: int
    busy_timeout_ms: int
    wal_bytes: int

    def open(self) -> OpenJournal:
        """Open the file, or begin a journal where there was none.

        Damage is repaired; a journal that was emptied, or restored from a backup, begins a new one.
        A gap event says so. A journal of another station or of a newer Outfeed is left alone.
        """
        if not self.path.exists() and size_bytes(self._new_path):
            log.warning("journal_repair_finished path=%s", self.path)
            self._exchange()
        if size_bytes(self.path) == 0:
            return self._begin()
        with JournalPages(self.path) as pages:
            try:
                opened = self._opened()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                return self.repair(str(error))
            return self._begin() if opened is None else self._settled(opened, pages)

    def repair(
        self, why: str, old: OpenJournal | None = None, *, is_whole: bool = False
    ) -> OpenJournal:
        """Set the file aside as ``*.damaged`` (one is kept) and write a new one with every row that
        can be proven, under its old identity. Blocks: 10 s for 256 MiB.

        old: what was open until now; it is closed. is_whole: the rows are those that it holds,
        although another file lies at the path, or none.
        """
        log.error("journal_damaged path=%s why=%s", self.path, why)
        new = self._new_path
        for suffix in _SUFFIXES:
            companion(new, suffix).unlink(missing_ok=True)
        with JournalPages(self.path) as pages:
            if old is not None and is_whole:
                found = _rows_of(old)
            else:
                if old is not None:
                    old.db.close()
                position = read_cursor(self.cursor_path)
                known = [] if position is None else [position.journal]
                known += [] if old is None else [old.journal]
                found = pages.rows([*known, *pages.journals()])
            self._write_anew(new, found, pages.last_given(), why)
        if old is not None:
            old.db.close()  # before another file is at the path: SQLite removes its -wal by name
        self._exchange()
        opened = self._opened()
        assert opened is not None
        return opened

    def _begin(self) -> OpenJournal:
        """Where no journal is. A cursor, or a log without its database, means that one was."""
        wal = companion(self.path, "-wal")
        if read_cursor(self.cursor_path) is not None or size_bytes(wal):
            return self.repair("its file was empty or missing")
        return self._fresh()

    @property
    def _new_path(self) -> Path:
        return companion(self.path, ".new")

    def _exchange(self) -> None:
        """The file goes aside and the new one takes its place. A crash in between leaves no file at
        the path, and ``open`` does the rest."""
        self._set_aside()
        self._new_path.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _set_aside(self) -> None:
        """Rename the file, which nobody has open, to ``*.damaged``; the one before is removed."""
        # The database goes first: SQLite ignores a -wal beside an empty or missing database, but
        # would trust a database whose -wal has gone.
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
        """None for a file that a crash left behind before its tables."""
        with self.path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        if header[18:20] > b"\2\2":  # SQLite would open it, and write nothing into it
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
        # One flipped bit is damage: the checksum of the names covers the format.
        is_flipped = names is not None and (version ^ FORMAT).bit_count() == 1
        if version > FORMAT and not is_flipped:
            raise newer(self.path, version)
        if version not in (1, FORMAT) or (names is None) != (version == 1):
            raise sqlite3.DatabaseError("malformed: its names or its format")
        # 0.3 s for 256 MB in the page cache; what depends on the damaged page is out of reach.
        found = bytes(db.execute("PRAGMA quick_check(1)").fetchone()[0]).decode(errors="replace")
        if found != "ok":
            raise sqlite3.DatabaseError(f"malformed: {found}")
        if names is None:
            names = JournalNames(meta(db, "journal"), meta(db, "station"))
            migrate(db, names)
        return names

    def _settled(self, opened: OpenJournal, pages: JournalPages) -> OpenJournal:
        """With what SQLite dropped from the log at a damaged frame, and not behind the cursor."""
        db = opened.db
        try:
            dropped = {
                each.row.sequence: each.row for each in pages.log_rows(opened.journal, opened.last)
            }
            if dropped:
                log.warning("journal_rows_dropped_by_sqlite count=%s", len(dropped))
                with transaction(db):
                    insert(db, opened.journal, list(dropped.values()))
                opened = replace(opened, last=max(dropped))
            return self._not_behind(opened)
        except BaseException:
            db.close()
            raise

    def _not_behind(self, opened: OpenJournal) -> OpenJournal:
        """A journal that went back says so, and begins anew unless events of it wait."""
        db = opened.db
        position = read_cursor(self.cursor_path)
        place = find_published(db, opened.journal, position)
        if position is None or not place.went_back:
            return opened
        log.warning("journal_went_back published=%s last=%s", position.published, opened.last)
        reason = (
            f"the journal went back from {position.published} to {opened.last}, by a backup or a "
            "disk that forgot; what was stored after the former and not published is lost"
        )
        if not one(db, f"SELECT count(*) FROM events WHERE sequence > {place.sequence}"):
            # Sequences must not be given out again. The position is the word of another user, who
            # faces the network: nothing is deleted for it, and a person finds the rows there.
            db.close()
            self._set_aside()
            opened = self._fresh()
        with transaction(opened.db):
            return self._tell(opened, reason)

    def _write_anew(
        self, path: Path, found: Iterable[ProvenRow], given: Iterable[int], why: str
    ) -> None:
        rows = iter(found)
        first = next(rows, None)
        journal = str(uuid.uuid4()) if first is None else first.journal
        db = self._connect(path)
        try:
            db.execute("PRAGMA synchronous = OFF")  # nobody reads it before its last transaction
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
                self._name_the_beginning(db, journal, begin)
                last = max(begin, one(db, "SELECT max(sequence) FROM events"))
                last = max([last, *(each for each in given if each <= last + PLAUSIBLE_ROWS)])
                kept = one(db, "SELECT count(*) FROM events")
                reason = f"the journal was damaged: {why[:200]}; {kept} events were taken over"
                self._tell(OpenJournal(db, journal, last), reason)
            # With the log in the database there is one file to be renamed.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            db.close()

    def _name_the_beginning(self, db: sqlite3.Connection, journal: str, begin: int) -> None:
        """A gap event where rows are missing before the first that was not published. Later holes
        are found by whoever reads."""
        found = db.execute(
            f"SELECT {COLUMNS} FROM events WHERE sequence > {begin} ORDER BY sequence LIMIT 1"
        ).fetchone()
        row = None if found is None else proven_row(journal, *found)
        if row is None or follows(row, begin):
            return
        last = row.sequence - 1
        gap = gap_event(
            self.station, count=last - begin, first=begin + 1, last=last, reason=DAMAGED_ROWS
        )
        insert(db, journal, [JournalRow(last, row.run, gap.weight, gap.model_dump_json().encode())])

    def _tell(self, opened: OpenJournal, reason: str) -> OpenJournal:
        """A gap event of unknown extent, within a transaction."""
        gap = gap_event(self.station, count=None, reason=reason)
        row = JournalRow(opened.last + 1, self.run, gap.weight, gap.model_dump_json().encode())
        insert(opened.db, opened.journal, [row])
        return replace(opened, last=row.sequence)

    def _connect(self, path: Path) -> sqlite3.Connection:
        return connect_writer(path, busy_timeout_ms=self.busy_timeout_ms, wal_bytes=self.wal_bytes)


def _rows_of(opened: OpenJournal) -> Iterator[ProvenRow]:
    for columns in opened.db.execute(f"SELECT {COLUMNS} FROM events ORDER BY sequence"):
        row = proven_row(opened.journal, *columns)
        if row is not None:
            yield ProvenRow(opened.journal, row)
