"""Copies of a SQLite database while it is used: one an hour and one a day."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from central.backup.facts import BackupError, BackupFacts, BackupRecord, parse_record, read_facts
from central.config.backup import BackupConfig
from central.config.sections import DatabaseConfig
from central.store.database import Database, StoreError
from central.worker import Worker
from edge.files import read_regular_file, write_durably
from edge.validation_messages import one_line

_log = logging.getLogger(__name__)

_PAGES = 2_000
_PAUSE_S = 0.01
_CHECK_S = 30.0
_HOURLY, _DAILY = "central-hour-%Y%m%dT%H.db", "central-day-%Y%m%d.db"
_UNFINISHED = ".unfinished"
_RECORD_BYTES = 1 << 20
_BLOCK = 1 << 20


def copy_database(source: Path, target: Path, now_us: int) -> BackupRecord:
    """Copy a database of SQLite that others write meanwhile, and check the copy.

    Copy and record are of one transaction, so that the record states exactly what the copy has.
    The target and its record ``NAME.json`` appear when they are complete and on the disk; those
    that exist are replaced. A killed process leaves a file ``*.unfinished``, which the next copy
    replaces. Blocks: some seconds for a gigabyte. Raises BackupError.
    """
    if not source.is_file():
        raise BackupError(f"{target}: cannot be written: {source}: there is no such database")
    unfinished = target.with_name(target.name + _UNFINISHED)
    try:
        unfinished.unlink(missing_ok=True)
        facts = _copy(source, unfinished)
        digest, size = hash_file(unfinished)
        record = BackupRecord(
            made_us=now_us,
            bytes=size,
            sha256=digest,
            counts=dict(facts.counts),
            audit_sequence=facts.audit_sequence,
            audit_hash=facts.audit_hash,
        )
        write_durably(record_path(target), record.model_dump_json(indent=1).encode())
        unfinished.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (sqlite3.Error, DBAPIError, StoreError, OSError) as error:
        raise BackupError(f"{target}: cannot be written: {one_line(error)}") from error
    except BackupError:
        unfinished.unlink(missing_ok=True)
        raise
    return record


def record_path(copy: Path) -> Path:
    """Return the path of the record of a copy."""
    return copy.with_name(copy.name + ".json")


def read_record(copy: Path) -> BackupRecord:
    """Return the record of a copy. Raises BackupError."""
    path = record_path(copy)
    try:
        text = read_regular_file(path, _RECORD_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(f"{path.name}: cannot be read: {one_line(error)}") from error
    return parse_record(text, path.name)


def find_copies(folder: Path) -> tuple[Path, ...]:
    """Return the copies in the folder, the newest first."""
    found = [*folder.glob("central-hour-*.db"), *folder.glob("central-day-*.db")]
    return tuple(sorted(found, key=lambda each: each.stat().st_mtime_ns, reverse=True))


def hash_file(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of a file, and its bytes. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _copy(source: Path, target: Path) -> BackupFacts:
    """Copy in one read transaction, and return the figures of the same transaction."""
    database = Database(DatabaseConfig(path=source))
    try:
        with database.read() as connection, closing(sqlite3.connect(target)) as copy:
            facts = read_facts(connection)
            own = connection.connection.driver_connection
            assert isinstance(own, sqlite3.Connection)
            own.backup(copy, pages=_PAGES, sleep=_PAUSE_S)
            copy.execute("PRAGMA journal_mode = DELETE")
            result = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    finally:
        database.close()
    if result != "ok":
        raise BackupError(f"{target}: the copy is damaged: {one_line(result)}")
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return facts


def restore_copy(copy: Path, database: Path, now_us: int) -> tuple[Path, ...]:
    """Put a copy in the place of a database that no process uses, and return the files set aside.

    The former database is kept beside it as ``NAME.replaced``, with its log; one that is already
    there is not overwritten. The copy must fit its record. A killed process leaves the former
    database either in its place or set aside, and never the log of one beside the other. Blocks.
    Raises BackupError.
    """
    record = read_record(copy)
    aside = database.with_name(database.name + ".replaced")
    if aside.exists():
        raise BackupError(f"{aside}: exists; move it away first")
    part = database.with_name(database.name + _UNFINISHED)
    try:
        digest, size = hash_file(copy)
        if (digest, size) != (record.sha256, record.bytes):
            raise BackupError(f"{copy.name}: is not the file that was written: its SHA-256 differs")
        _check_unused(database)
        shutil.copyfile(copy, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        moved = []
        for ending in ("-wal", "-shm", ""):
            old = database.with_name(database.name + ending)
            if old.exists():
                moved.append(old.replace(aside.with_name(aside.name + ending)))
        part.replace(database)
        folder = os.open(database.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{database}: cannot be restored: {one_line(error)}") from error
    _log.info("backup_restored file=%s made_us=%s at_us=%s", copy.name, record.made_us, now_us)
    return tuple(moved)


def _check_unused(database: Path) -> None:
    """Raise BackupError if a process has the database open; its log goes to the file first."""
    if not database.exists():
        return
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            # Only the one connection that is left may change the mode.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise BackupError(
                    f"{database}: is in use: stop the service that uses it"
                ) from error
            raise
        except sqlite3.DatabaseError as error:
            # It is damaged: that is why it is replaced.
            _log.warning("database_damaged file=%s reason=%s", database, one_line(error))


class BackupService(Worker):
    """Makes the copies on a thread of its own, until ``close``.

    A copy that is due and missing is made at once, also after a pause of days. A failure is
    logged, and tried again 30 s later.
    """

    def __init__(self, source: Path, config: BackupConfig, now_us: Callable[[], int]) -> None:
        """source: the file of the database. config: with a folder."""
        super().__init__("backup", close_s=60.0)
        assert config.folder is not None
        self._source = source
        self._folder = config.folder
        self._kept = ((_HOURLY, config.hourly), (_DAILY, config.daily))
        self._now_us = now_us
        self._fault = ""

    def step(self) -> tuple[Path, ...]:
        """Make the copies that are due, remove old ones, and return the new files.

        Blocks. Raises BackupError.
        """
        now = datetime.fromtimestamp(self._now_us() / 1e6, timezone.utc)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BackupError(f"backup.folder: {self._folder}: {error.strerror}") from error
        made = []
        for form, kept in self._kept:
            target = self._folder / now.strftime(form)
            if kept and not target.exists():
                started_s = time.monotonic()
                copy_database(self._source, target, self._now_us())
                _log.info(
                    "backup_made file=%s bytes=%s seconds=%.1f",
                    target.name,
                    target.stat().st_size,
                    time.monotonic() - started_s,
                )
                made.append(target)
            self._remove_old(form, kept)
        return tuple(made)

    def _remove_old(self, form: str, kept: int) -> None:
        prefix = form.partition("%")[0]
        found = sorted(self._folder.glob(f"{prefix}*.db"))
        for old in found[: max(0, len(found) - kept)]:
            old.unlink(missing_ok=True)
            record_path(old).unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except BackupError as error:
                if str(error) != self._fault:
                    _log.error("backup_failed reason=%s", error)
                self._fault = str(error)
            else:
                self._fault = ""
            self._stop.wait(_CHECK_S)
