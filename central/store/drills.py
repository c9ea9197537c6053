"""Restore drills: the restoration of a backup to a scratch database, and its result."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, Index, Table, func, select

from central.store.columns import identity, number, optional_time, words
from central.store.tables import metadata

RUNNING, GOOD, FAILED = "running", "good", "failed"
_KEPT = 1_000

# One row for each drill. A drill that was killed remains in the state "running".
drills = Table(
    "drills",
    metadata,
    identity(),
    number("began_us"),
    optional_time("ended_us"),
    words("state"),
    # The name of the copy, or the label of pgBackRest.
    words("backup"),
    # The moment of the backup. Null where it is not known.
    optional_time("backup_us"),
    number("rows", default=0),
    words("reason"),
    Index("ix_drills_state_ended_us", "state", "ended_us"),
)


@dataclass(frozen=True, slots=True)
class DrillEntry:
    """A restore drill. state: running, good or failed. rows: compared rows of all tables.

    began_us, ended_us, backup_us: microseconds since 1970 UTC. reason: empty unless it failed.
    """

    number: int
    began_us: int
    ended_us: int | None
    state: str
    backup: str
    backup_us: int | None
    rows: int
    reason: str


@dataclass(frozen=True, slots=True)
class DrillSummary:
    """The latest drills, newest first, and the end of the last good one; None: there is none."""

    last_good_us: int | None = None
    latest: tuple[DrillEntry, ...] = ()

    @property
    def last_ended(self) -> DrillEntry | None:
        """Return the newest drill that has a result."""
        return next((each for each in self.latest if each.state != RUNNING), None)


def begin_drill(connection: Connection, now_us: int) -> int:
    """Store a drill that begins, and return its number. Only the last 1,000 drills are kept."""
    result = connection.execute(drills.insert().values(began_us=now_us, state=RUNNING))
    key = result.inserted_primary_key
    assert key is not None
    connection.execute(drills.delete().where(drills.c.id <= int(key[0]) - _KEPT))
    return int(key[0])


def end_drill(connection: Connection, entry: DrillEntry) -> None:
    """Store the result of a drill."""
    values = {
        name: getattr(entry, name)
        for name in ("ended_us", "state", "backup", "backup_us", "rows", "reason")
    }
    connection.execute(drills.update().where(drills.c.id == entry.number).values(values))


def read_drills(connection: Connection, *, limit: int = 10) -> DrillSummary:
    """Return the latest drills and the end of the last good one."""
    good = select(func.max(drills.c.ended_us)).where(drills.c.state == GOOD)
    rows = connection.execute(select(drills).order_by(drills.c.id.desc()).limit(limit))
    return DrillSummary(
        connection.execute(good).scalar_one(), tuple(DrillEntry(*row) for row in rows)
    )
