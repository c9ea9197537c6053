"""The partitions of large tables on PostgreSQL: one for each day of reception."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from sqlalchemy import Connection, text

from central.store.database import Database
from central.store.schema import SCHEMA_LOCK
from central.store.tables import DAY_US, PARTITIONED

AHEAD_DAYS = 3
_FORM = "%Y%m%d"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def day_of(received_us: int) -> int:
    """Return the number of the day since 1970-01-01 UTC."""
    return received_us // DAY_US


class Partitions:
    """Creates missing partitions. SQLite has none, and nothing is done there. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: set[int] = set()

    def ensure(self, days: Iterable[int]) -> None:
        """Create the partitions of these days, in a transaction of its own. Blocks.

        Raises the errors of SQLAlchemy.
        """
        missing = sorted(set(days) - self._made)
        if not missing or not self._database.is_postgresql:
            return
        with self._database.write() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
            for day in missing:
                for table in PARTITIONED:
                    _create(connection, table.name, day)
        self._made.update(missing)

    def forget(self) -> None:
        """Look at the database again before the next batch."""
        self._made.clear()


def drop_before(connection: Connection, table: str, day: int) -> int:
    """Drop the partitions of a table that end before the day. Return their number."""
    found = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = :name ::regclass"),
        {"name": table},
    ).scalars()
    old = [name for name in found if (of := _day_in(name)) is not None and of < day]
    for name in old:
        connection.execute(text(f"DROP TABLE {name}"))
    return len(old)


def _create(connection: Connection, table: str, day: int) -> None:
    name = f"{table}_p{_date(day)}"
    if connection.execute(text("SELECT to_regclass(:name)"), {"name": name}).scalar() is None:
        connection.execute(
            text(
                f"CREATE TABLE {name} PARTITION OF {table} "
                f"FOR VALUES FROM ({day * DAY_US}) TO ({(day + 1) * DAY_US})"
            )
        )


def _date(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).strftime(_FORM)


def _day_in(name: str) -> int | None:
    """Return the day in the name of a partition; None for another name."""
    try:
        date = datetime.strptime(name.rpartition("_p")[2], _FORM)
    except ValueError:
        return None
    return (date.replace(tzinfo=timezone.utc) - _EPOCH).days
