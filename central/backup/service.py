"""The thread that runs a restore drill when one is due."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from central.backup.facts import BackupError
from central.backup.result import record_drill
from central.backup.sqlite_drill import restore_newest_copy
from central.config.backup import BackupConfig
from central.store.database import Database, StoreError
from central.store.drills import DrillEntry, read_drills
from central.worker import Worker
from edge.validation_messages import one_line

_log = logging.getLogger(__name__)

_CHECK_S = 30.0
_HOUR_US = 3_600_000_000
_AGAIN_US = _HOUR_US


class DrillService(Worker):
    """Restores the newest copy of SQLite every ``drill_hours``, until ``close``.

    The database remembers the last drill, so that a restart neither repeats nor forgets one. A
    drill that failed is repeated after one hour. A drill that is under way at ``close`` is given
    10 s, and then remains recorded as running.
    """

    def __init__(self, database: Database, config: BackupConfig, now_us: Callable[[], int]) -> None:
        """config: with a folder."""
        super().__init__("drill")
        self._database = database
        self._config = config
        self._now_us = now_us

    def step(self) -> DrillEntry | None:
        """Run a drill if one is due, and return its result. Blocks.

        The first drill waits for the first copy. Raises the errors of the database.
        """
        now_us = self._now_us()
        assert self._config.folder is not None
        with self._database.read() as connection:
            summary = read_drills(connection)
        last = summary.last_ended
        if last is None and not any(self._config.folder.glob("central-*.db")):
            return None
        if last is not None and last.ended_us is not None:
            hours_us = int(self._config.drill_hours * _HOUR_US)
            pause_us = min(_AGAIN_US, hours_us) if last.reason else hours_us
            if last.ended_us <= now_us < last.ended_us + pause_us:
                return None
        return record_drill(
            self._database, lambda: restore_newest_copy(self._config, now_us), self._now_us
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except (DBAPIError, StoreError, BackupError) as error:
                reason = one_line(getattr(error, "orig", None) or error)
                _log.error("drill_without_database reason=%s", reason)
            self._stop.wait(_CHECK_S)
