"""The statements of committed events: their contents, and the times at which they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, select

from central.store.coverage import CoverageStatement
from central.store.database import Database
from central.store.registry import JournalKey, Registry
from central.store.tables import journals, stations
from edge.clock import utc_now
from edge.events.committed import CommittedStatement
from edge.events.payload import Topics
from edge.receiver import DueStatements

MOST_JOURNALS = 16
"""The journals of a station that get a statement after a connect: the latest ones."""

_UNKNOWN = CoverageStatement(0, 0, ())


class StatementPublisher:
    """Publishes the statements that are due. For one thread.

    Each statement is read from the database when it is published, so that the last of several
    collectors states what all of them have committed.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        publish: Callable[[str, bytes], bool],
        *,
        prefix: str,
        central: str,
        interval_s: float,
    ) -> None:
        """publish: sends a retained message; False while that is not possible."""
        self._database = database
        self._registry = registry
        self._publish = publish
        self._prefix = prefix
        self._central = central
        self._schedule = DueStatements(interval_s)

    def add_committed(self, keys: Iterable[JournalKey]) -> None:
        """Note the journals of a committed batch."""
        self._schedule.add(keys)

    def add_stations(self, statuses: Iterable[tuple[str, str]]) -> None:
        """Note stations whose status has arrived, each with the journal that it names.

        Every station gets statements on its latest journals, and on the named one. Blocks. Raises
        StoreError.
        """
        wanted = list(statuses)
        if not wanted:
            return
        with self._database.read() as connection:
            for station, journal in wanted:
                self._schedule.add(_journals_of(connection, station))
                if journal:
                    self._schedule.add([(station, journal)])

    def publish_due(self, now_s: float) -> int:
        """Publish what is due. Return the number of statements. Blocks. Raises StoreError."""
        due = self._schedule.due(now_s)
        if not due:
            return 0
        count = 0
        with self._database.read() as connection:
            for station, journal in due:
                found = self._read(connection, station, journal)
                statement = CommittedStatement(
                    station=station,
                    journal=journal,
                    complete_to=found.complete_to,
                    known_to=found.known_to,
                    ranges=found.ranges,
                    utc=utc_now(),
                    central=self._central,
                )
                topic = Topics(station, self._prefix).committed(journal)
                if not self._publish(topic, statement.model_dump_json().encode()):
                    break
                self._schedule.published((station, journal), now_s)
                count += 1
        return count

    def _read(self, connection: Connection, station: str, journal: str) -> CoverageStatement:
        row = connection.execute(
            select(journals.c.id, journals.c.version, journals.c.shared_from)
            .join(stations, stations.c.id == journals.c.station_id)
            .where(stations.c.name == station, journals.c.uuid == journal)
        ).first()
        if row is None:
            return _UNKNOWN
        return self._registry.coverage(connection, *row).statement()


def _journals_of(connection: Connection, station: str) -> list[JournalKey]:
    statement = (
        select(journals.c.uuid)
        .join(stations, stations.c.id == journals.c.station_id)
        .where(stations.c.name == station)
        .order_by(journals.c.updated_us.desc())
        .limit(MOST_JOURNALS)
    )
    return [(station, uuid) for uuid in connection.execute(statement).scalars()]
