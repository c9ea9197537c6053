"""Queries for pages, the API and alarms. Each returns frozen records and changes nothing.

Every function takes a connection of ``Database.read``, and blocks for its statements.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Select, func, select

from central.store.tables import (
    MINUTE_US,
    actuations,
    conflicts,
    counters,
    defects,
    journals,
    marks,
    parts,
    rollup_kinds,
    rollups,
    stations,
)
from edge.records import Decision

RECENT_REJECTS = 5
"""The rejected and UNKNOWN parts that are shown for each station."""

_RATE_MINUTES = 2
_RATE_MIN_S = 30.0  # the first parts of a new station come at once, and are no rate
_HOUR = 60
_MOST_RECENT = 500


@dataclass(frozen=True, slots=True)
class PartCounts:
    """Numbers of parts in a time. ejected, missed: parts by the action of the ejector."""

    inspected: int = 0
    passed: int = 0
    rejected: int = 0
    unknown: int = 0
    ejected: int = 0
    missed: int = 0

    @property
    def yield_share(self) -> float | None:
        """Return the share of inspected parts that passed, 0 to 1; None without parts."""
        return self.passed / self.inspected if self.inspected else None


@dataclass(frozen=True, slots=True)
class PartSummary:
    """One part as a list shows it. at_us: microseconds since 1970 UTC."""

    station: str
    part_id: int
    at_us: int
    decision: str
    reason: str
    kind: str
    severity: float | None
    part_score: float | None
    defects: int
    bundle: str


@dataclass(frozen=True, slots=True)
class DefectSummary:
    """One defect. The box is in pixels of the frame; right and bottom are exclusive."""

    kind: str
    severity: float | None
    confidence: float | None
    area_px: int
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class ActuationSummary:
    """The action of the ejector on a part. error_us: positive is late."""

    at_us: int
    action: str
    cause: str
    error_us: float | None


@dataclass(frozen=True, slots=True)
class MarkSummary:
    """The statement of a person about a part."""

    mark: str
    note: str
    marked_utc: str
    picture: str | None


@dataclass(frozen=True, slots=True)
class PartDetail:
    """A part with its defects, what the ejector did, and its marks."""

    part: PartSummary
    defects: tuple[DefectSummary, ...]
    actuations: tuple[ActuationSummary, ...]
    marks: tuple[MarkSummary, ...]


@dataclass(frozen=True, slots=True)
class StationSummary:
    """The state of one station.

    state: online, offline, or empty where no status has arrived. seen_us: reception of the last
    event. hour: the parts of the last hour. per_minute: parts per minute in the last two minutes.
    rejects: the latest parts that did not pass. conflicts: events of this station that contradict
    others.
    """

    name: str
    state: str
    cause: str
    version: str
    bundle: str
    note: str
    seen_us: int | None
    status_us: int | None
    hour: PartCounts
    per_minute: float
    rejects: tuple[PartSummary, ...]
    conflicts: int


def read_wall(connection: Connection, now_us: int) -> tuple[StationSummary, ...]:
    """Return the state of every station, by name."""
    minute = now_us // MINUTE_US
    hour = read_counts(connection, minute - _HOUR + 1, minute)
    latest = read_counts(connection, minute - _RATE_MINUTES + 1, minute)
    contradicting = select(conflicts.c.station_id, func.sum(conflicts.c.count)).group_by(
        conflicts.c.station_id
    )
    contradictions = {row[0]: int(row[1]) for row in connection.execute(contradicting)}
    rejects: dict[str, list[PartSummary]] = defaultdict(list)
    not_passed = _parts().where(parts.c.decision != Decision.PASS.value).limit(_MOST_RECENT)
    for part in _summaries(connection, not_passed):
        if len(rejects[part.station]) < RECENT_REJECTS:
            rejects[part.station].append(part)
    found = []
    for row in connection.execute(select(stations).order_by(stations.c.name)).mappings():
        number = row["id"]
        since_us = max((minute - _RATE_MINUTES + 1) * MINUTE_US, row["first_us"])
        seconds = max(_RATE_MIN_S, (now_us - since_us) / 1e6)
        inspected = latest.get(number, PartCounts()).inspected
        found.append(
            StationSummary(
                **{name: row[name] for name in ("name", "state", "cause", "version", "bundle")},
                note=row["note"],
                seen_us=row["seen_us"],
                status_us=row["status_us"],
                hour=hour.get(number, PartCounts()),
                per_minute=60 * inspected / seconds,
                rejects=tuple(rejects[row["name"]]),
                conflicts=contradictions.get(number, 0),
            )
        )
    return tuple(found)


def read_counts(connection: Connection, first: int, last: int) -> dict[int, PartCounts]:
    """Return the numbers of parts by the number of the station.

    first, last: minutes since 1970 UTC, inclusive.
    """
    names = ("inspected", "passed", "rejected", "unknown", "ejected", "missed")
    statement = (
        select(rollups.c.station_id, *(func.sum(rollups.c[name]) for name in names))
        .where(rollups.c.minute.between(first, last))
        .group_by(rollups.c.station_id)
    )
    return {row[0]: PartCounts(*map(int, row[1:])) for row in connection.execute(statement)}


def read_kinds(
    connection: Connection, first: int, last: int, station: str | None = None
) -> dict[str, int]:
    """Return the numbers of rejected parts by the kind of their worst defect, most first.

    first, last: minutes since 1970 UTC, inclusive. station: the name of one station; None: all.
    """
    total = func.sum(rollup_kinds.c.rejected)
    statement = (
        select(rollup_kinds.c.kind, total)
        .where(rollup_kinds.c.minute.between(first, last))
        .group_by(rollup_kinds.c.kind)
        .having(total > 0)
        .order_by(total.desc(), rollup_kinds.c.kind)
    )
    if station is not None:
        statement = statement.where(rollup_kinds.c.station_id == _number_of(station))
    return {kind: int(count) for kind, count in connection.execute(statement)}


def read_parts(
    connection: Connection,
    station: str,
    *,
    before_us: int | None = None,
    decisions: Sequence[Decision] = (),
    limit: int = 50,
) -> tuple[PartSummary, ...]:
    """Return the latest parts of a station, newest first.

    before_us: only parts before this time. decisions: only these; empty: all.
    """
    statement = _parts().where(parts.c.station_id == _number_of(station)).limit(limit)
    if before_us is not None:
        statement = statement.where(parts.c.at_us < before_us)
    if decisions:
        statement = statement.where(parts.c.decision.in_([each.value for each in decisions]))
        if Decision.PASS not in decisions:
            statement = statement.where(parts.c.decision != Decision.PASS.value)  # the index
    return _summaries(connection, statement)


def read_part(connection: Connection, station: str, part_id: int) -> tuple[PartDetail, ...]:
    """Return the part with this number, newest first; empty where there is none.

    Copies of a storage card may give one number to several parts.
    """
    number = connection.execute(select(_number_of(station))).scalar()
    found = _summaries(
        connection,
        # Otherwise SQLite reads all parts in the order of time, to save the sorting of a few.
        _parts()
        .where(parts.c.station_id == number, parts.c.part_id == part_id)
        .order_by(None)
        .order_by((parts.c.at_us + 0).desc())
        .limit(10),
    )
    columns = ("kind", "severity", "confidence", "area_px")
    box = ("box_left", "box_top", "box_right", "box_bottom")
    own = [
        DefectSummary(*row)
        for row in connection.execute(
            select(*(defects.c[name] for name in (*columns, *box)))
            .where(defects.c.station_id == number, defects.c.part_id == part_id)
            .order_by(defects.c.received_us, defects.c.position)
        )
    ]
    actions = [
        ActuationSummary(*row)
        for row in connection.execute(
            select(*(actuations.c[name] for name in ("at_us", "action", "cause", "error_us")))
            .where(actuations.c.station_id == number, actuations.c.part_id == part_id)
            .order_by(actuations.c.at_us)
        )
    ]
    notes = [
        MarkSummary(*row)
        for row in connection.execute(
            select(marks.c.mark, marks.c.note, marks.c.marked_utc, marks.c.picture)
            .where(marks.c.station_id == number, marks.c.part_id == part_id)
            .order_by(marks.c.received_us)
        )
    ]
    return tuple(PartDetail(part, tuple(own), tuple(actions), tuple(notes)) for part in found)


def read_counters(connection: Connection) -> Mapping[str, int]:
    """Return the counters of rare messages: repeats, unproven, refused."""
    statement = select(counters.c.name, counters.c.value)
    return {row[0]: row[1] for row in connection.execute(statement)}


def read_version(connection: Connection) -> int:
    """Return a number that grows with each committed batch of events."""
    total = func.coalesce(func.sum(journals.c.version), 0)
    return int(connection.execute(select(total)).scalar_one())


def has_station(connection: Connection, station: str) -> bool:
    """Return whether the database knows the station."""
    return connection.execute(select(_number_of(station))).scalar() is not None


def _number_of(station: str) -> ScalarSelect[int]:
    name = station.replace("\0", "\ufffd")  # PostgreSQL refuses it, also in a question
    return select(stations.c.id).where(stations.c.name == name).scalar_subquery()


def _parts() -> Select[Any]:
    names = ("part_id", "at_us", "decision", "reason", "kind", "severity", "part_score", "defects")
    return (
        select(stations.c.name, *(parts.c[name] for name in (*names, "bundle")))
        .join(stations, stations.c.id == parts.c.station_id)
        .order_by(parts.c.at_us.desc())
    )


def _summaries(connection: Connection, statement: Select[Any]) -> tuple[PartSummary, ...]:
    return tuple(PartSummary(*row) for row in connection.execute(statement))
