"""The reports of stations about updates of bundles and systems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from central.store.newest import newest_of_station
from central.store.rollout_tables import system_reports, update_reports
from central.store.tables import starts

REPORTS_SHOWN = 200
"""Reports on the page of a station."""


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """A change of state. figures: JSON of the figures of a trial; empty without them."""

    station_id: int
    journal_id: int
    sequence: int
    received_us: int
    at_us: int
    desired_id: str
    revision: int | None
    name: str
    version: str
    state: str
    reason: str
    running: str
    figures: str
    more: int


@dataclass(frozen=True, slots=True)
class SystemReport:
    """A change of state of an update of the system. running: the version that reported it."""

    station_id: int
    journal_id: int
    sequence: int
    received_us: int
    at_us: int
    update_id: str
    state: str
    version: str
    slot: str
    reason: str
    running: str
    running_slot: str


_NAMES = tuple(UpdateReport.__slots__)
_SYSTEM_NAMES = tuple(SystemReport.__slots__)


def read_reports(connection: Connection, station: str) -> tuple[UpdateReport, ...]:
    """Return the latest reports of a station, newest first."""
    rows = newest_of_station(connection, update_reports, _NAMES, station, REPORTS_SHOWN)
    return tuple(UpdateReport(*row) for row in rows)


def read_latest(
    connection: Connection, *, since_us: int = 0, desired: Iterable[str] | None = None
) -> Mapping[tuple[int, str], UpdateReport]:
    """Return the latest report of each station and desired state.

    since_us: only reports that were received later. desired: only about these desired states.
    Within a journal the sequence numbers decide, because an event may be sent again later.
    """
    statement = select(*(update_reports.c[name] for name in _NAMES)).where(
        update_reports.c.received_us >= since_us
    )
    if desired is not None:
        statement = statement.where(update_reports.c.desired_id.in_(sorted(desired)))
    latest: dict[tuple[int, str], UpdateReport] = {}
    rows = connection.execute(statement.order_by(update_reports.c.received_us))
    for row in rows:
        found = UpdateReport(*row)
        key = (found.station_id, found.desired_id)
        known = latest.get(key)
        is_older = (
            known is not None
            and known.journal_id == found.journal_id
            and known.sequence > found.sequence
        )
        if not is_older:
            latest[key] = found
    return latest


def read_latest_of_stations(
    connection: Connection, since_us: int = 0
) -> Mapping[int, UpdateReport]:
    """Return the latest report of each station about any update that was received since then."""
    found: dict[int, UpdateReport] = {}
    for (number, _), report in read_latest(connection, since_us=since_us).items():
        if number not in found or _order(report) > _order(found[number]):
            found[number] = report
    return found


def read_system_reports(connection: Connection, station: str) -> tuple[SystemReport, ...]:
    """Return the latest reports of a station about its system, newest first."""
    rows = newest_of_station(connection, system_reports, _SYSTEM_NAMES, station, REPORTS_SHOWN)
    return tuple(SystemReport(*row) for row in rows)


def read_latest_of_systems(connection: Connection, since_us: int = 0) -> Mapping[int, SystemReport]:
    """Return the latest report of each station about its system that was received since then.

    Within a journal the sequence numbers decide, because an event may be sent again later.
    """
    found: dict[int, SystemReport] = {}
    rows = connection.execute(
        select(*(system_reports.c[name] for name in _SYSTEM_NAMES))
        .where(system_reports.c.received_us >= since_us)
        .order_by(system_reports.c.received_us, system_reports.c.sequence)
    )
    for row in rows:
        each = SystemReport(*row)
        known = found.get(each.station_id)
        is_older = (
            known is not None
            and known.journal_id == each.journal_id
            and known.sequence > each.sequence
        )
        if not is_older:
            found[each.station_id] = each
    return found


def _order(report: UpdateReport) -> tuple[int, int]:
    return report.received_us, report.sequence


def read_running(connection: Connection) -> Mapping[int, str]:
    """Return the id of the bundle that each station runs, as it stated last.

    It is in the event of a start, and in each report about an update.
    """
    found: dict[int, tuple[int, str]] = {}
    reported = (update_reports, "received_us", update_reports.c.running)
    for table, order, column in ((starts, "at_us", starts.c.bundle), reported):
        newest = (
            select(table.c.station_id, func.max(table.c[order]).label("newest"))
            .group_by(table.c.station_id)
            .subquery()
        )
        rows = connection.execute(
            select(table.c.station_id, table.c.received_us, column)
            .join(
                newest,
                and_(newest.c.station_id == table.c.station_id, newest.c.newest == table.c[order]),
            )
            .order_by(table.c.station_id, table.c.sequence)
        )
        for station_id, received_us, bundle in rows:
            if bundle and received_us >= found.get(station_id, (0, ""))[0]:
                found[station_id] = (received_us, bundle)
    return {number: bundle for number, (_, bundle) in found.items()}
