"""The progress of all rollouts: reports are taken over, and cohorts are released or held back."""

from __future__ import annotations

import logging

from sqlalchemy import Connection, or_, select, update

from central.access.audit import Actor, AuditedChange
from central.rollouts.progress import overdue, progress_of, step_cohort
from central.rollouts.release import release_cohort
from central.rollouts.rows import set_rollout
from central.store.database import Database
from central.store.rollout_tables import rollout_stations, rollouts
from central.store.rollouts import Rollout, RolloutStation, find_rollout, read_rollout_stations
from central.store.updates import UpdateReport, read_latest

_log = logging.getLogger(__name__)

_PROGRAM = Actor("outfeed-central", "program")
_FIXED = ("waiting", "pinned", "replaced")
"""States that no report changes."""


def advance_rollouts(database: Database, now_us: int, *, also_ended: bool = True) -> int:
    """Take over what stations reported, and take the next step of each rollout.

    also_ended: look at rollouts that have ended too, whose last stations may still report. Return
    the number of rollouts that changed. Several processes may call this at the same time. Blocks.
    Raises the errors of the database.
    """
    with database.read() as connection:
        numbers = _due(connection, also_ended)
    return sum(_advance(database, number, now_us) for number in numbers)


def _due(connection: Connection, also_ended: bool) -> list[int]:
    """Return the rollouts that run; also_ended: and those with a message that is published."""
    table = rollout_stations.c
    late = select(table.rollout_id).where(
        table.released_us.is_not(None), table.withdrawn_us.is_(None)
    )
    runs = rollouts.c.state.in_(("running", "paused"))
    condition = or_(runs, rollouts.c.id.in_(late)) if also_ended else runs
    statement = select(rollouts.c.id).where(condition).order_by(rollouts.c.id)
    return list(connection.execute(statement).scalars())


def _advance(database: Database, number: int, now_us: int) -> bool:
    with database.read() as connection:
        if not _has_changes(connection, number, now_us):
            return False
    with database.write() as connection:
        connection.execute(select(rollouts.c.id).where(rollouts.c.id == number).with_for_update())
        change = AuditedChange(connection, _PROGRAM, now_us)
        found = find_rollout(connection, number)
        if found is None:
            return False
        _take_reports(change, number)
        _expire(change, number)
        if found.state == "running":
            _step(change, found)
    for entry in change.entries:
        _log.info("rollout_changed rollout=%s action=%s", number, entry.action)
    return True


def _has_changes(connection: Connection, number: int, now_us: int) -> bool:
    """Return whether a write transaction would change anything."""
    found = find_rollout(connection, number)
    assert found is not None
    stations = read_rollout_stations(connection, number)
    if _fresh(connection, stations) or any(_is_expired(each, now_us) for each in stations):
        return True
    if found.state != "running":
        return False
    progress = progress_of(found, stations)
    return bool(
        step_cohort(progress).action != "wait" or overdue(progress, found.aside_hours, now_us)
    )


def _fresh(
    connection: Connection, stations: tuple[RolloutStation, ...]
) -> list[tuple[RolloutStation, UpdateReport]]:
    """Return the stations whose latest report is not taken over yet."""
    wanted = {each.desired_id for each in stations if each.released_us is not None}
    latest = read_latest(connection, desired=wanted) if wanted else {}
    return [
        (each, report)
        for each in stations
        if (report := latest.get((each.station_id, each.desired_id))) is not None
        and each.state not in _FIXED
        and (each.state, each.running, each.reason) != (report.state, report.running, report.reason)
    ]


def _take_reports(change: AuditedChange, number: int) -> None:
    for each, report in _fresh(change.connection, read_rollout_stations(change.connection, number)):
        change.connection.execute(
            update(rollout_stations)
            .where(
                rollout_stations.c.rollout_id == number,
                rollout_stations.c.station_id == each.station_id,
            )
            .values(
                state=report.state,
                reason=report.reason,
                running=report.running,
                reported_us=report.received_us,
            )
        )


def _is_expired(station: RolloutStation, now_us: int) -> bool:
    """Return whether a station can no longer begin: it reported nothing in time."""
    return station.state == "released" and station.expires_us <= now_us


def _expire(change: AuditedChange, number: int) -> None:
    table = rollout_stations.c
    change.connection.execute(
        update(rollout_stations)
        .where(
            table.rollout_id == number,
            table.state == "released",
            table.expires_us <= change.now_us,
        )
        .values(state="expired", reason="the station reported nothing in time")
    )


def _step(change: AuditedChange, found: Rollout) -> None:
    stations = read_rollout_stations(change.connection, found.number)
    late = overdue(progress_of(found, stations), found.aside_hours, change.now_us)
    for each in stations:
        if each.station in late:
            change.connection.execute(
                update(rollout_stations)
                .where(
                    rollout_stations.c.rollout_id == found.number,
                    rollout_stations.c.station_id == each.station_id,
                )
                .values(is_aside=1)
            )
    if late:
        detail = {"stations": list(late), "hours": found.aside_hours}
        change.record("rollout.set_aside", str(found.number), detail)
        stations = read_rollout_stations(change.connection, found.number)
    step = step_cohort(progress_of(found, stations))
    if step.action == "pause":
        set_rollout(change.connection, found.number, state="paused", reason=step.fault)
        change.record("rollout.paused", str(found.number), {"reason": step.fault})
    elif step.action == "advance" and found.released < found.cohorts:
        release_cohort(change, found.number, found.released)
    elif step.action == "advance":
        set_rollout(change.connection, found.number, state="done", ended_us=change.now_us)
        change.record("rollout.done", str(found.number))
