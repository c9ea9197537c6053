"""Copies of a SQLite database while it is used: one an hour and one a day."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from central.config.alarms import BackupConfig
from edge.errors import OutfeedError
from edge.validation_messages import one_line

_log = logging.getLogger(__name__)

_PAGES = 2_000
_PAUSE_S = 0.01
_CHECK_S = 30.0
_HOURLY, _DAILY = "central-hour-%Y%m%dT%H.db", "central-day-%Y%m%d.db"
_UNFINISHED = ".unfinished"


class BackupError(OutfeedError):
    """A copy of the database could not be made or is damaged."""


def copy_database(source: Path, target: Path) -> None:
    """Copy a database of SQLite that others write meanwhile, and check the copy.

    The target appears when it is complete and on the disk; one that exists is replaced. A killed
    process leaves a file ``*.unfinished``, which the next copy replaces. Blocks: some seconds for a
    gigabyte. Raises BackupError.
    """
    unfinished = target.with_name(target.name + _UNFINISHED)
    try:
        unfinished.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as own,
            closing(sqlite3.connect(unfinished)) as copy,
        ):
            own.backup(copy, pages=_PAGES, sleep=_PAUSE_S)
            copy.execute("PRAGMA journal_mode = DELETE")
            result = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if result != "ok":
            raise BackupError(f"{target}: the copy is damaged: {one_line(result)}")
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"{target}: cannot be written: {one_line(error)}") from error
    except BackupError:
        unfinished.unlink(missing_ok=True)
        raise


class BackupService:
    """Makes the copies on a thread of its own, until ``close``.

    A copy that is due and missing is made at once, also after a pause of days. A failure is
    logged, and tried again 30 s later.
    """

    def __init__(self, source: Path, config: BackupConfig, now_us: Callable[[], int]) -> None:
        """source: the file of the database. config: with a folder."""
        assert config.folder is not None
        self._source = source
        self._folder = config.folder
        self._kept = ((_HOURLY, config.hourly), (_DAILY, config.daily))
        self._now_us = now_us
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backup", daemon=True)
        self._fault = ""

    @property
    def is_running(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread. Returns at once."""
        self._thread.start()

    def close(self) -> None:
        """End the thread after the copy that is under way, at most 60 s."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(60)

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
                copy_database(self._source, target)
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
