"""The removal of old rows, and the partitions of the days to come."""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, text

from central.config.sections import RetentionConfig
from central.store import tables
from central.store.command_tables import command_answers, commands
from central.store.database import Database
from central.store.partitions import AHEAD_DAYS, Partitions, day_of, drop_before
from central.store.rollout_tables import system_reports, update_reports
from central.store.tables import DAY_US, MINUTE_US, PARTITIONED

CHUNK = 5_000
"""Rows that one transaction removes. Batches wait for it."""

_INTERVAL_US = 600_000_000


class Maintenance:
    """Removes old rows in small steps, every ten minutes. For one thread.

    On PostgreSQL whole partitions are dropped. Elsewhere rows are removed in the order in which
    they were written, until the first one that is to be kept.
    """

    def __init__(self, database: Database, retention: RetentionConfig) -> None:
        self._database = database
        self._partitions = Partitions(database)
        self._days = {
            tables.events: retention.events_days,
            tables.parts: retention.parts_days,
            tables.defects: retention.parts_days,
            tables.actuations: retention.parts_days,
            tables.marks: retention.reports_days,
            tables.gaps: retention.reports_days,
            tables.starts: retention.reports_days,
            tables.drifts: retention.reports_days,
            tables.self_tests: retention.reports_days,
            command_answers: retention.reports_days,
            update_reports: retention.reports_days,
            system_reports: retention.reports_days,
            commands: retention.reports_days,
            tables.rollups: retention.figures_days,
            tables.rollup_kinds: retention.figures_days,
        }
        self._left: list[Table] = []
        self._next_us = 0

    def step(self, now_us: int) -> bool:
        """Remove the next rows, if it is time. Return whether more steps are due at once.

        Blocks for one transaction. Raises the errors of SQLAlchemy.
        """
        if not self._left:
            if 0 <= self._next_us - now_us <= _INTERVAL_US:
                return False
            self._next_us = now_us + _INTERVAL_US
            today = day_of(now_us)
            self._partitions.ensure(range(today, today + AHEAD_DAYS + 1))
            self._left = [table for table, days in self._days.items() if days]
        if self._left:
            table = self._left[-1]
            limit_us = now_us - self._days[table] * DAY_US
            with self._database.write() as connection:
                if not self._remove(connection, table, limit_us):
                    self._left.pop()
        return bool(self._left)

    def _remove(self, connection: Connection, table: Table, limit_us: int) -> bool:
        """Remove some rows of a table. Return whether there may be more."""
        if self._database.is_postgresql and table in PARTITIONED:
            drop_before(connection, table.name, day_of(limit_us))
            return False
        if "minute" in table.c:
            connection.execute(delete(table).where(table.c.minute < limit_us // MINUTE_US))
            return False
        if table is commands:  # few rows; an expired command has no further answer
            connection.execute(delete(table).where(table.c.expires_us < limit_us))
            return False
        if self._database.is_postgresql:
            connection.execute(delete(table).where(table.c.received_us < limit_us))
            return False
        rows = connection.execute(
            text(f"SELECT rowid, received_us FROM {table.name} ORDER BY rowid LIMIT {CHUNK}")
        ).all()
        old = [row[0] for row in rows if row[1] < limit_us]
        if old:
            connection.execute(
                text(f"DELETE FROM {table.name} WHERE rowid <= :last AND received_us < :limit"),
                {"last": old[-1], "limit": limit_us},
            )
        return len(old) == CHUNK
