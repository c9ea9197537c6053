"""The result of a restore drill, and the places it is recorded in."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from central.backup.facts import BackupError
from central.store.database import Database
from central.store.drills import FAILED, GOOD, RUNNING, DrillEntry, begin_drill, end_drill

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrillResult:
    """A drill that succeeded. backup: its name. backup_us: its moment. rows: compared rows."""

    backup: str
    backup_us: int | None
    rows: int


def record_drill(
    database: Database, drill: Callable[[], DrillResult], now_us: Callable[[], int]
) -> DrillEntry:
    """Run a drill, record its beginning and its result in the database, and return the result.

    A drill that is killed remains recorded as running. A failure of the drill is a result, and no
    error. Blocks. Raises StoreError and the errors of SQLAlchemy where the database is lost.
    """
    began_us = now_us()
    with database.write() as connection:
        entry = DrillEntry(
            begin_drill(connection, began_us), began_us, None, RUNNING, "", None, 0, ""
        )
    try:
        result = drill()
    except BackupError as error:
        entry = replace(entry, ended_us=now_us(), state=FAILED, reason=str(error))
        _log.error("drill_failed reason=%s", error)
    else:
        entry = replace(
            entry,
            ended_us=now_us(),
            state=GOOD,
            backup=result.backup,
            backup_us=result.backup_us,
            rows=result.rows,
        )
        _log.info("drill_good backup=%s rows=%s", result.backup, result.rows)
    with database.write() as connection:
        end_drill(connection, entry)
    return entry
