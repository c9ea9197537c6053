"""The numbers of stations and journals in the database, and the coverage of locked journals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from central.store.coverage import Coverage, load_ranges
from central.store.tables import journals, runs, stations

MAX_STATIONS = 10_000
MAX_JOURNALS = 1_000
"""Most journals of one station. A new one begins where a disk was damaged or replaced."""

_MAX_CACHED = 4096

JournalKey = tuple[str, str]
"""A station and the UUID of one of its journals."""


class StaleRegistryError(Exception):
    """The database has not the rows that it had before, for instance after a restore."""


@dataclass(slots=True)
class LockedJournal:
    """A journal whose row is locked until the end of the transaction."""

    journal_id: int
    station_id: int
    version: int
    coverage: Coverage


class Registry:
    """Finds and creates the rows of stations and journals, and remembers their numbers.

    For one thread. After a transaction that failed, call ``forget``.
    """

    def __init__(self) -> None:
        self._stations: dict[str, int] = {}
        self._journals: dict[JournalKey, int] = {}
        self._coverage: OrderedDict[int, tuple[int, Coverage]] = OrderedDict()

    def forget(self) -> None:
        """Forget everything, so that it is read again."""
        self._stations.clear()
        self._journals.clear()
        self._coverage.clear()

    def stations(self, connection: Connection, names: Iterable[str], now_us: int) -> dict[str, int]:
        """Return the numbers of stations. A station is missing where there are too many."""
        wanted = set(names)
        unknown = wanted - self._stations.keys()
        if unknown:
            self._stations.update(self._find_stations(connection, unknown))
            new = sorted(unknown - self._stations.keys())
            if new:
                count = connection.execute(select(func.count()).select_from(stations)).scalar_one()
                new = new[: max(0, MAX_STATIONS - count)]
                insert_or_skip(
                    connection, stations, [{"name": each, "first_us": now_us} for each in new]
                )
                self._stations.update(self._find_stations(connection, set(new)))
        return {name: self._stations[name] for name in wanted & self._stations.keys()}

    def lock(
        self, connection: Connection, keys: Iterable[JournalKey], station_ids: dict[str, int]
    ) -> dict[JournalKey, LockedJournal]:
        """Return the journals, locked in the order of their numbers.

        A journal is missing where its station has too many. Raises StaleRegistryError.
        """
        wanted = {key for key in keys if key[0] in station_ids}
        self._create_journals(connection, wanted - self._journals.keys(), station_ids)
        ids = {self._journals[key]: key for key in wanted & self._journals.keys()}
        if not ids:
            return {}
        statement = (
            select(journals.c.id, journals.c.version, journals.c.shared_from)
            .where(journals.c.id.in_(ids))
            .order_by(journals.c.id)
            .with_for_update()
        )
        rows = connection.execute(statement).all()
        if len(rows) != len(ids):
            raise StaleRegistryError
        return {
            ids[number]: LockedJournal(
                number,
                station_ids[ids[number][0]],
                version,
                self.coverage(connection, number, version, shared_from),
            )
            for number, version, shared_from in rows
        }

    def coverage(
        self, connection: Connection, number: int, version: int, shared_from: int | None
    ) -> Coverage:
        """Return the coverage of a journal, from memory if the version is the same."""
        known = self._coverage.get(number)
        if known is None or known[0] != version:
            rows = connection.execute(
                select(runs.c.run, runs.c.ranges).filter_by(journal_id=number)
            )
            found = {run: load_ranges(text) for run, text in rows}
            known = (version, Coverage(found, shared_from))
        self.remember(number, *known)
        return known[1]

    def remember(self, number: int, version: int, coverage: Coverage) -> None:
        """Remember the coverage of a journal in this version."""
        self._coverage[number] = (version, coverage)
        self._coverage.move_to_end(number)
        if len(self._coverage) > _MAX_CACHED:
            self._coverage.popitem(last=False)

    def _find_stations(self, connection: Connection, names: set[str]) -> dict[str, int]:
        statement = select(stations.c.name, stations.c.id).where(stations.c.name.in_(names))
        return {row[0]: row[1] for row in connection.execute(statement)}

    def _create_journals(
        self, connection: Connection, keys: set[JournalKey], station_ids: dict[str, int]
    ) -> None:
        for name in sorted({key[0] for key in keys}):
            station_id = station_ids[name]
            wanted = {uuid for station, uuid in keys if station == name}
            self._find_journals(connection, name, station_id, wanted)
            new = sorted(uuid for uuid in wanted if (name, uuid) not in self._journals)
            if not new:
                continue
            counted = select(func.count()).select_from(journals).filter_by(station_id=station_id)
            new = new[: max(0, MAX_JOURNALS - connection.execute(counted).scalar_one())]
            rows = [{"station_id": station_id, "uuid": uuid} for uuid in new]
            insert_or_skip(connection, journals, rows)
            self._find_journals(connection, name, station_id, set(new))

    def _find_journals(
        self, connection: Connection, name: str, station_id: int, uuids: set[str]
    ) -> None:
        statement = (
            select(journals.c.uuid, journals.c.id)
            .filter_by(station_id=station_id)
            .where(journals.c.uuid.in_(uuids))
        )
        for uuid, number in connection.execute(statement):
            self._journals[name, uuid] = number


def save_coverage(connection: Connection, locked: LockedJournal, now_us: int) -> None:
    """Write the coverage of a locked journal with the next version, if it has changed."""
    coverage = locked.coverage
    if not coverage.has_changes:
        return
    coverage.merge()
    for run, ranges in coverage.changes():
        if ranges is None:
            connection.execute(
                runs.delete().where(runs.c.journal_id == locked.journal_id, runs.c.run == run)
            )
            continue
        row = {"journal_id": locked.journal_id, "run": run, "ranges": ranges}
        statement = _insert_of(connection)(runs).values(row)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["journal_id", "run"], set_={"ranges": statement.excluded.ranges}
            )
        )
    locked.version += 1
    connection.execute(
        update(journals)
        .where(journals.c.id == locked.journal_id)
        .values(
            version=locked.version,
            complete_to=coverage.complete_to,
            known_to=coverage.known_to,
            shared_from=coverage.shared_from,
            updated_us=now_us,
        )
    )


def insert_or_skip(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]
) -> None:
    """Insert rows; a row whose unique key exists already is left out."""
    if rows:
        connection.execute(_insert_of(connection)(table).on_conflict_do_nothing(), list(rows))


def _insert_of(connection: Connection) -> Any:
    """Return the ``insert`` of the dialect, which knows conflicts with unique keys."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
