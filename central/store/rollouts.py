"""Rollouts in the database: what people see of them, and what is to be published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Select, func, select

from central.store.rollout_tables import bundle_pins, bundles, rollout_stations, rollouts
from central.store.tables import stations

OPEN = ("planned", "signed", "running", "paused")
"""States of a rollout that has not ended."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout as people see it.

    bundle: the number of the bundle; None: the stations stay with theirs. bundle_id: its id. terms:
    JSON of the terms of the desired states. released: the number of released cohorts. keys: ids of
    the keys that signed, separated by spaces. counts: the number of stations by state.
    """

    number: int
    bundle: int | None
    bundle_id: str
    title: str
    state: str
    reason: str
    released: int
    cohorts: int
    aside_hours: int
    terms: str
    made_by: str
    made_us: int
    keys: str
    signed_by: str
    signed_us: int | None
    started_us: int | None
    ended_us: int | None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RolloutStation:
    """A station of a rollout. running: the bundle that runs, as it reported last."""

    station: str
    station_id: int
    cohort: int
    state: str
    reason: str
    running: str
    desired_id: str
    revision: int
    expires_us: int
    released_us: int | None
    withdrawn_us: int | None
    reported_us: int | None
    is_aside: bool


@dataclass(frozen=True, slots=True)
class BundlePin:
    """A station that rollouts leave out."""

    station: str
    reason: str
    made_by: str
    made_us: int


@dataclass(frozen=True, slots=True)
class WantedBundle:
    """The published desired state of a station. bundle_id: empty: it stays with its bundle."""

    rollout: int
    bundle_id: str
    state: str
    desired_id: str
    is_aside: bool


def read_rollouts(
    connection: Connection, names: frozenset[str] | None = None, limit: int = 100
) -> tuple[Rollout, ...]:
    """Return the latest rollouts, newest first. names: only those at these stations; None: all.

    The counts are those of all stations.
    """
    statement = _rollouts().order_by(rollouts.c.id.desc()).limit(limit)
    if names is not None:
        own = select(rollout_stations.c.rollout_id).join(
            stations, stations.c.id == rollout_stations.c.station_id
        )
        statement = statement.where(
            rollouts.c.id.in_(own.where(stations.c.name.in_(sorted(names))))
        )
    rows = connection.execute(statement).all()
    counts: dict[int, Counter[str]] = {row[0]: Counter() for row in rows}
    states = connection.execute(
        select(rollout_stations.c.rollout_id, rollout_stations.c.state, func.count())
        .where(rollout_stations.c.rollout_id.in_(sorted(counts)))
        .group_by(rollout_stations.c.rollout_id, rollout_stations.c.state)
    )
    for number, state, count in states:
        counts[number][state] += int(count)
    return tuple(replace(Rollout(*row), counts=dict(counts[row[0]])) for row in rows)


def find_rollout(connection: Connection, number: int) -> Rollout | None:
    """Return one rollout; None where there is none."""
    row = connection.execute(_rollouts().where(rollouts.c.id == number)).first()
    return None if row is None else Rollout(*row)


def read_rollout_stations(connection: Connection, number: int) -> tuple[RolloutStation, ...]:
    """Return the stations of a rollout, by cohort and name."""
    table = rollout_stations.c
    columns = (table.station_id, table.cohort, table.state, table.reason, table.running)
    more = (table.desired_id, table.revision, table.expires_us, table.released_us)
    rest = (table.withdrawn_us, table.reported_us, table.is_aside)
    statement: Select[Any] = select(stations.c.name, *columns, *more, *rest)
    rows = connection.execute(
        statement.join(stations, stations.c.id == table.station_id)
        .where(table.rollout_id == number)
        .order_by(table.cohort, stations.c.name)
    )
    found = (RolloutStation(*row) for row in rows)
    return tuple(replace(each, is_aside=bool(each.is_aside)) for each in found)


def read_rollout_names(connection: Connection, number: int) -> frozenset[str]:
    """Return the names of the stations of a rollout."""
    rows = connection.execute(
        select(stations.c.name)
        .join(rollout_stations, rollout_stations.c.station_id == stations.c.id)
        .where(rollout_stations.c.rollout_id == number)
    )
    return frozenset(rows.scalars())


def read_messages(connection: Connection, now_us: int) -> Mapping[str, bytes]:
    """Return the message that is to be retained for each station, by its name."""
    table = rollout_stations.c
    rows = connection.execute(
        select(stations.c.name, table.message)
        .join(stations, stations.c.id == table.station_id)
        .where(table.released_us.is_not(None), table.withdrawn_us.is_(None))
        .where(table.expires_us > now_us)
        .order_by(table.revision)
    )
    return {name: message.encode() for name, message in rows}


def had_messages(connection: Connection, station: str) -> bool:
    """Return whether a message for this station was ever published."""
    found = connection.execute(
        select(rollout_stations.c.rollout_id)
        .join(stations, stations.c.id == rollout_stations.c.station_id)
        .where(stations.c.name == station, rollout_stations.c.released_us.is_not(None))
        .limit(1)
    ).first()
    return found is not None


def read_wanted(connection: Connection) -> Mapping[int, WantedBundle]:
    """Return the desired state of each station that has one, by the number of the station."""
    table = rollout_stations.c
    rows = connection.execute(
        select(
            table.station_id,
            rollouts.c.id,
            func.coalesce(bundles.c.bundle_id, ""),
            table.state,
            table.desired_id,
            table.is_aside,
        )
        .join(rollouts, rollouts.c.id == table.rollout_id)
        .outerjoin(bundles, bundles.c.id == rollouts.c.bundle)
        .where(table.released_us.is_not(None), table.withdrawn_us.is_(None))
        .order_by(table.revision)
    )
    return {row[0]: WantedBundle(*row[1:5], is_aside=bool(row[5])) for row in rows}


def read_pins(connection: Connection) -> Mapping[str, BundlePin]:
    """Return the pinned stations by name."""
    rows = connection.execute(
        select(
            stations.c.name, bundle_pins.c.reason, bundle_pins.c.made_by, bundle_pins.c.made_us
        ).join(stations, stations.c.id == bundle_pins.c.station_id)
    )
    return {row[0]: BundlePin(*row) for row in rows}


def _rollouts() -> Select[Any]:
    names = ("title", "state", "reason", "released", "cohorts", "aside_hours", "terms")
    people = ("made_by", "made_us", "keys", "signed_by", "signed_us", "started_us", "ended_us")
    return select(
        rollouts.c.id,
        rollouts.c.bundle,
        func.coalesce(bundles.c.bundle_id, ""),
        *(rollouts.c[name] for name in (*names, *people)),
    ).outerjoin(bundles, bundles.c.id == rollouts.c.bundle)
