"""The facts that the rules need, from the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, and_, exists, func, select

from central.alarms.rules import (
    CusumState,
    DrillFacts,
    FailedUpdate,
    RaisedDrift,
    StationFacts,
)
from central.figures.charts import FrozenLimits
from central.figures.cusum import CusumDesign, design_cusum, follow_cusum
from central.store.drills import read_drills
from central.store.health import load_certificates, load_disks
from central.store.judgements import read_limits
from central.store.plant_tables import cusums, reviews
from central.store.queries import PartCounts, read_counts
from central.store.tables import (
    DAY_US,
    MINUTE_US,
    conflicts,
    drifts,
    marks,
    rollups,
    self_tests,
    stations,
)
from central.store.updates import read_latest_of_stations, read_latest_of_systems

_WEEK_US = 7 * DAY_US
_MOST_ESCAPES = 200
_LATE_MINUTES = 2
"""Minutes that may still grow are not counted by CUSUM yet."""

_MOST_MINUTES = 1_440
_LEAST_RATE = 0.0005


def read_facts(
    connection: Connection, values: Mapping[str, float], now_us: int
) -> tuple[StationFacts, ...]:
    """Return the facts of all stations. The sums of CUSUM are moved on and stored.

    Blocks for some statements; their number does not depend on that of the stations, apart from
    one for each station with frozen limits.
    """
    minute = now_us // MINUTE_US
    recent = read_counts(connection, minute - int(values["rate.minutes"]) + 1, minute)
    missed = read_counts(connection, minute - int(values["missed.minutes"]) + 1, minute)
    raised = _drifts(connection, now_us - _WEEK_US)
    failed = _failed_tests(connection, now_us - _WEEK_US)
    escapes = _escapes(connection, now_us - int(values["escape.hours"] * 3600e6))
    doubts: dict[int, int] = {
        row[0]: int(row[1])
        for row in connection.execute(
            select(conflicts.c.station_id, func.sum(conflicts.c.count))
            .where(conflicts.c.last_us >= now_us - DAY_US)
            .group_by(conflicts.c.station_id)
        )
    }
    sums = _cusums(connection, values, minute)
    updates = _failed_updates(connection, now_us - _WEEK_US)
    system_updates = _failed_system_updates(connection, now_us - _WEEK_US)
    columns = ("id", "name", "state", "seen_us", "status_us", "certificates", "disks")
    found = []
    for row in connection.execute(select(*(stations.c[name] for name in columns))):
        number, name, state, seen_us, status_us, certificates, disks = row
        heard = [each for each in (seen_us, status_us) if each is not None]
        found.append(
            StationFacts(
                number,
                name,
                state,
                max(heard, default=None),
                recent.get(number, PartCounts()),
                missed.get(number, PartCounts()).missed,
                tuple(raised.get(number, ())),
                failed.get(number),
                tuple(escapes.get(number, ())),
                doubts.get(number, 0),
                sums.get(number),
                {each.key: each.until_us for each in load_certificates(certificates)},
                {each.folder: each.free_share for each in load_disks(disks)},
                updates.get(number),
                system_updates.get(number),
            )
        )
    return tuple(found)


def read_drill_facts(connection: Connection) -> DrillFacts:
    """Return the facts about restore drills."""
    summary = read_drills(connection)
    since_us = summary.last_good_us
    if since_us is None:
        since_us = connection.execute(select(func.min(stations.c.first_us))).scalar_one()
    last = summary.last_ended
    return DrillFacts(since_us, "" if last is None else last.reason)


def _drifts(connection: Connection, since_us: int) -> dict[int, list[RaisedDrift]]:
    """Return the drifts whose latest statement is that they are present."""
    names = ("station_id", "measure", "stream", "state", "severity")
    statement = (
        select(*(drifts.c[name] for name in names))
        .where(drifts.c.at_us >= since_us)
        .order_by(drifts.c.at_us, drifts.c.sequence)
    )
    latest = {tuple(row[:3]): (row[3], row[4]) for row in connection.execute(statement)}
    found: dict[int, list[RaisedDrift]] = defaultdict(list)
    for (number, measure, stream), (state, severity) in sorted(latest.items()):
        if state == "raised":
            found[number].append(RaisedDrift(measure, stream, severity))
    return found


def _failed_tests(connection: Connection, since_us: int) -> dict[int, str]:
    """Return the reason of the latest self-test of each station that was not reproduced."""
    names = ("station_id", "reproduced", "subject", "reason")
    statement = (
        select(*(self_tests.c[name] for name in names))
        .where(self_tests.c.at_us >= since_us)
        .order_by(self_tests.c.at_us, self_tests.c.sequence)
    )
    latest = {row[0]: row[1:] for row in connection.execute(statement)}
    return {
        number: f"{subject} {reason}".strip()
        for number, (reproduced, subject, reason) in latest.items()
        if not reproduced
    }


def _failed_updates(connection: Connection, since_us: int) -> dict[int, FailedUpdate]:
    """Return the stations whose latest report about an update is a failure."""
    return {
        number: FailedUpdate(
            each.state, f"bundle {each.name or 'of an update'} {each.version}".rstrip(), each.reason
        )
        for number, each in read_latest_of_stations(connection, since_us).items()
        if each.state in ("refused", "reverted")
    }


def _failed_system_updates(connection: Connection, since_us: int) -> dict[int, FailedUpdate]:
    """Return the stations whose latest report about their system is a failure."""
    return {
        number: FailedUpdate(each.state, f"system {each.version or 'of an update'}", each.reason)
        for number, each in read_latest_of_systems(connection, since_us).items()
        if each.state in ("refused", "reverted")
    }


def _escapes(connection: Connection, since_us: int) -> dict[int, list[int]]:
    """Return the parts that were marked as escapes and that have no other review."""
    reviewed = exists().where(
        and_(
            reviews.c.station_id == marks.c.station_id,
            reviews.c.part_id == marks.c.part_id,
            reviews.c.verdict != "escape",
        )
    )
    by_mark = select(marks.c.station_id, marks.c.part_id).where(
        marks.c.mark == "escape", marks.c.received_us >= since_us, ~reviewed
    )
    by_review = select(reviews.c.station_id, reviews.c.part_id).where(
        reviews.c.verdict == "escape", reviews.c.made_us >= since_us
    )
    found: dict[int, list[int]] = defaultdict(list)
    for number, part_id in connection.execute(by_mark.union(by_review).limit(_MOST_ESCAPES)):
        found[number].append(part_id)
    return {number: sorted(numbers) for number, numbers in found.items()}


def _cusums(
    connection: Connection, values: Mapping[str, float], minute: int
) -> dict[int, CusumState]:
    """Return the sums of the stations with frozen limits of the bundle that runs."""
    limits = read_limits(connection)
    if not limits:
        return {}
    stored = {row[0]: tuple(row[1:]) for row in connection.execute(select(cusums))}
    last = minute - _LATE_MINUTES
    found = {}
    for station_id, (bundle, frozen, parts) in _running(connection, limits, last).items():
        design = _design(frozen.centre, parts, values)
        if design is None:
            continue
        name = f"{bundle} {design.normal:.6f} {design.step} {design.limit}"
        since, total, used = stored.get(station_id, (0, 0, ""))
        if used != name:
            since, total = last - int(values["rate.minutes"]), 0
        since = max(since, last - _MOST_MINUTES)
        total = follow_cusum(design, _minutes(connection, station_id, bundle, since, last), total)
        row = {"station_id": station_id, "minute": last, "total": total, "design": name}
        connection.execute(cusums.delete().where(cusums.c.station_id == station_id))
        connection.execute(cusums.insert().values(row))
        found[station_id] = CusumState(design, total)
    return found


def _running(
    connection: Connection, limits: Mapping[tuple[int, str], FrozenLimits], last: int
) -> dict[int, tuple[str, FrozenLimits, int]]:
    """Return for each station the bundle with frozen limits that inspected most parts in a day."""
    found: dict[int, tuple[str, FrozenLimits, int]] = {}
    for (station_id, bundle), frozen in limits.items():
        parts = _parts_per_day(connection, station_id, bundle, last)
        if station_id not in found or parts > found[station_id][2]:
            found[station_id] = (bundle, frozen, parts)
    return found


def _design(centre: float, parts_per_day: int, values: Mapping[str, float]) -> CusumDesign | None:
    """Return the design for a station; None where its rate or its parts are too few or too many.

    The run length is rounded up to a power of two, so that the design changes rarely.
    """
    normal = max(_LEAST_RATE, round(centre, 4))
    raised = normal * values["cusum.factor"]
    if parts_per_day < 1 or raised >= 0.9:
        return None
    length = 1 << (int(parts_per_day * values["cusum.days"]) - 1).bit_length()
    try:
        return design_cusum(normal, raised, length)
    except ValueError:
        return None


def _parts_per_day(connection: Connection, station_id: int, bundle: str, last: int) -> int:
    statement = select(func.coalesce(func.sum(rollups.c.inspected), 0)).where(
        rollups.c.station_id == station_id,
        rollups.c.bundle == bundle,
        rollups.c.minute.between(last - _MOST_MINUTES + 1, last),
    )
    return int(connection.execute(statement).scalar_one())


def _minutes(
    connection: Connection, station_id: int, bundle: str, since: int, last: int
) -> list[tuple[int, int]]:
    statement = (
        select(rollups.c.inspected, rollups.c.rejected)
        .where(
            rollups.c.station_id == station_id,
            rollups.c.bundle == bundle,
            rollups.c.minute > since,
            rollups.c.minute <= last,
        )
        .order_by(rollups.c.minute)
    )
    return [(int(row[0]), int(row[1])) for row in connection.execute(statement)]
