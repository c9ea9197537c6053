"""The fleet: what each station last stated about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from central.store.health import (
    StationCertificate,
    StationDisk,
    load_certificates,
    load_disks,
)
from central.store.periods import read_last_ends
from central.store.rollouts import read_pins, read_wanted
from central.store.tables import DAY_US, conflicts, gaps, self_tests, stations
from central.store.updates import read_latest_of_stations, read_latest_of_systems, read_running

_WEEK_US = 7 * DAY_US
_BAD_ENDS = ("failed", "crashed", "killed", "power")


@dataclass(frozen=True, slots=True)
class FleetEntry:
    """A station in the fleet.

    undelivered: events that a broker refused for a lasting reason. bad_ends: starts of the last
    seven days after a crash, a kill, a failure or a loss of power. lost: events of gaps in that
    time. failed_tests: self-tests in that time that were not reproduced. conflicts: events that
    contradict others. certificates: the next to expire first. disks: the fullest first. bundle: the
    file in its configuration. running: the id of the bundle that it stated last. wanted, rollout:
    the bundle that a rollout asks for. update, update_us: the latest reported state of an update,
    and its time. pin: the reason why rollouts leave it out. system_version, system_slot: the system
    that runs, on a unit with an image. system_update, system_update_us, system_update_version: the
    latest reported state of an update of the system.
    """

    name: str
    state: str
    cause: str
    version: str
    bundle: str
    note: str
    seen_us: int | None
    status_us: int | None
    undelivered: int
    starts: int
    bad_ends: int
    lost: int
    failed_tests: int
    conflicts: int
    certificates: tuple[StationCertificate, ...]
    disks: tuple[StationDisk, ...]
    running: str = ""
    wanted: str = ""
    rollout: int | None = None
    update: str = ""
    update_us: int | None = None
    pin: str = ""
    system_version: str = ""
    system_slot: str = ""
    system_update: str = ""
    system_update_us: int | None = None
    system_update_version: str = ""


def read_fleet(
    connection: Connection, names: frozenset[str] | None, now_us: int
) -> tuple[FleetEntry, ...]:
    """Return the stations by name. names: only these; None: all."""
    since_us = now_us - _WEEK_US
    ends = read_last_ends(connection, since_us)
    lost = _counts(
        connection,
        select(gaps.c.station_id, func.sum(gaps.c.count))
        .where(gaps.c.at_us >= since_us)
        .group_by(gaps.c.station_id),
    )
    failed = _counts(
        connection,
        select(self_tests.c.station_id, func.count())
        .where(self_tests.c.at_us >= since_us, self_tests.c.reproduced == 0)
        .group_by(self_tests.c.station_id),
    )
    doubts = _counts(
        connection,
        select(conflicts.c.station_id, func.sum(conflicts.c.count)).group_by(
            conflicts.c.station_id
        ),
    )
    wanted, running, pins = read_wanted(connection), read_running(connection), read_pins(connection)
    latest, systems = read_latest_of_stations(connection), read_latest_of_systems(connection)
    stated = ("name", "state", "cause", "version", "bundle", "note", "seen_us", "status_us")
    columns = (*stated, "system_version", "system_slot")
    further = ("id", "undelivered", "certificates", "disks")
    statement = select(*(stations.c[name] for name in (*columns, *further))).order_by(
        stations.c.name
    )
    if names is not None:
        statement = statement.where(stations.c.name.in_(sorted(names)))
    return tuple(
        FleetEntry(
            **{name: row[name] for name in columns},
            undelivered=row["undelivered"],
            starts=sum(ends.get(row["id"], {}).values()),
            bad_ends=sum(ends.get(row["id"], {}).get(end, 0) for end in _BAD_ENDS),
            lost=lost.get(row["id"], 0),
            failed_tests=failed.get(row["id"], 0),
            conflicts=doubts.get(row["id"], 0),
            certificates=load_certificates(row["certificates"]),
            disks=load_disks(row["disks"]),
            running=running.get(row["id"], ""),
            wanted=wanted[row["id"]].bundle_id if row["id"] in wanted else "",
            rollout=wanted[row["id"]].rollout if row["id"] in wanted else None,
            update=latest[row["id"]].state if row["id"] in latest else "",
            update_us=latest[row["id"]].at_us if row["id"] in latest else None,
            pin=pins[row["name"]].reason if row["name"] in pins else "",
            system_update=systems[row["id"]].state if row["id"] in systems else "",
            system_update_us=systems[row["id"]].at_us if row["id"] in systems else None,
            system_update_version=systems[row["id"]].version if row["id"] in systems else "",
        )
        for row in connection.execute(statement).mappings()
    )


def _counts(connection: Connection, statement: Select[Any]) -> dict[int, int]:
    return {int(row[0]): int(row[1] or 0) for row in connection.execute(statement)}
