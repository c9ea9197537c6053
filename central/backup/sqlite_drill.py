"""The restoration of a copy of SQLite to a scratch database."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from central.backup.checks import check_restored
from central.backup.copies import find_copies, hash_file, read_record
from central.backup.facts import BackupError, BackupRecord
from central.backup.result import DrillResult
from central.config.backup import BackupConfig
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.tables import DAY_US
from edge.validation_messages import one_line

_HOUR_US = DAY_US // 24
_SPARE_BYTES = 64 << 20


def restore_newest_copy(config: BackupConfig, now_us: int) -> DrillResult:
    """Restore the newest copy to a scratch database, check it, and remove the scratch database.

    The copy must be younger than two intervals. Its SHA-256, the structure of the database
    (``integrity_check``, foreign keys) and the contents are checked. Blocks: as long as copying
    and reading the database takes. Raises BackupError with one line.
    """
    assert config.folder is not None
    copies = find_copies(config.folder)
    if not copies:
        raise BackupError(f"backup.folder: {config.folder}: has no copy")
    record = read_record(copies[0])
    age_us = now_us - record.made_us
    limit_us = 2 * (_HOUR_US if config.hourly else DAY_US)
    if age_us > limit_us:
        raise BackupError(
            f"{copies[0].name}: the newest copy is {age_us // _HOUR_US} hours old, expected at "
            f"most {limit_us // _HOUR_US}"
        )
    scratch = config.drill_folder or config.folder
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(scratch).free
        if free < record.bytes + _SPARE_BYTES:
            raise BackupError(
                f"backup.drill_folder: {scratch}: has {free >> 20} MiB free, expected "
                f"{(record.bytes + _SPARE_BYTES) >> 20}"
            )
        with tempfile.TemporaryDirectory(prefix="outfeed-drill-", dir=scratch) as folder:
            restored = Path(folder) / "central.db"
            shutil.copyfile(copies[0], restored)
            rows = _check(restored, copies[0].name, record, now_us)
    except OSError as error:
        raise BackupError(f"{copies[0].name}: cannot be restored: {one_line(error)}") from error
    return DrillResult(copies[0].name, record.made_us, rows)


def _check(restored: Path, name: str, record: BackupRecord, now_us: int) -> int:
    digest, size = hash_file(restored)
    if (digest, size) != (record.sha256, record.bytes):
        raise BackupError(f"{name}: is not the file that was written: its SHA-256 differs")
    try:
        with closing(sqlite3.connect(restored)) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{name}: {one_line(error)}") from error
    if found != "ok":
        raise BackupError(f"{name}: is damaged: {one_line(found)}")
    if orphan is not None:
        raise BackupError(f"{name}: a row of {orphan[0]} refers to a missing row of {orphan[2]}")
    database = Database(DatabaseConfig(path=restored))
    try:
        return check_restored(database, record.facts, record.facts, now_us)
    finally:
        database.close()
