"""Numbers of parts per interval of a station, for charts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, case, cast, func, select

from central.figures.charts import ChartGroup
from central.store.tables import MINUTE_US, drifts, parts, rollups, self_tests, starts
from edge.records import Decision

_MOST_ROWS = 20_000
_TIMED_PARTS = 2_000
SEVERITY_BINS = 24
"""Bins of the histogram of severities, from 0 to 12."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time of whole minutes in equal intervals.

    first, last: minutes since 1970 UTC, inclusive. step: the minutes of an interval.
    """

    first: int
    last: int
    step: int

    @property
    def first_us(self) -> int:
        """Return the beginning, in microseconds since 1970 UTC."""
        return self.first * MINUTE_US

    @property
    def end_us(self) -> int:
        """Return the end, exclusive, in microseconds since 1970 UTC."""
        return (self.last + 1) * MINUTE_US


@dataclass(frozen=True, slots=True)
class IntervalCounts:
    """The parts of one interval and bundle. at_us: its beginning."""

    at_us: int
    bundle: str
    inspected: int
    passed: int
    rejected: int
    unknown: int

    def rejects(self) -> ChartGroup:
        """Return the group of a chart of rejected parts, whose stage is the bundle."""
        return ChartGroup(self.at_us, self.inspected, self.rejected, self.bundle)


@dataclass(frozen=True, slots=True)
class ChainTimes:
    """Times of the chain over the latest parts, in microseconds; parts: their number."""

    parts: int
    median_us: int
    p95_us: int
    p99_us: int
    most_us: int


@dataclass(frozen=True, slots=True)
class DriftSummary:
    """The latest statement about a drift. value, expected: in ``unit``."""

    at_us: int
    state: str
    severity: str
    measure: str
    stream: str
    unit: str
    value: float | None
    expected: float | None


@dataclass(frozen=True, slots=True)
class SelfTestSummary:
    """The result of a self-test."""

    at_us: int
    subject: str
    reproduced: bool
    reason: str


def read_intervals(
    connection: Connection, station_id: int, period: Period
) -> tuple[IntervalCounts, ...]:
    """Return the intervals with parts, in the order of time and of the bundles."""
    interval = (rollups.c.minute - rollups.c.minute % period.step).label("interval")
    names = ("inspected", "passed", "rejected", "unknown")
    statement = (
        select(interval, rollups.c.bundle, *(func.sum(rollups.c[name]) for name in names))
        .where(
            rollups.c.station_id == station_id,
            rollups.c.minute.between(period.first, period.last),
            rollups.c.bundle != "",
        )
        .group_by(interval, rollups.c.bundle)
        .order_by(interval, func.min(rollups.c.minute))
    )
    return tuple(
        IntervalCounts(int(row[0]) * MINUTE_US, row[1], *map(int, row[2:]))
        for row in connection.execute(statement)
        if row[2]
    )


def read_severities(connection: Connection, station_id: int, period: Period) -> dict[int, int]:
    """Return the numbers of rejected parts by the bin of the severity of their worst defect.

    At most the latest 20,000 parts that did not pass are counted.
    """
    recent = (
        select(parts.c.severity)
        .where(
            parts.c.station_id == station_id,
            parts.c.decision != Decision.PASS.value,
            parts.c.at_us >= period.first_us,
            parts.c.at_us < period.end_us,
        )
        .order_by(parts.c.at_us.desc())
        .limit(_MOST_ROWS)
        .subquery()
    )
    # A severity of 1e300 has no whole number in PostgreSQL.
    scaled = recent.c.severity * (SEVERITY_BINS / 12)
    clamped = case((scaled < 0, 0.0), (scaled >= SEVERITY_BINS, SEVERITY_BINS - 1.0), else_=scaled)
    number = cast(func.floor(clamped), Integer).label("number")
    statement = select(number, func.count()).where(recent.c.severity.is_not(None)).group_by(number)
    return {int(row[0]): int(row[1]) for row in connection.execute(statement)}


def read_chain_times(connection: Connection, station_id: int) -> ChainTimes | None:
    """Return the times of the latest 2,000 parts of a station; None where no chain ran."""
    statement = (
        select(parts.c.chain_us)
        .where(parts.c.station_id == station_id)
        .order_by(parts.c.at_us.desc())
        .limit(_TIMED_PARTS)
    )
    times = sorted(each for each in connection.execute(statement).scalars() if each is not None)
    if not times:
        return None
    median, p95, p99 = (times[int(share * len(times))] for share in (0.5, 0.95, 0.99))
    return ChainTimes(len(times), median, p95, p99, times[-1])


def read_drifts(connection: Connection, station_id: int) -> tuple[DriftSummary, ...]:
    """Return the latest statement of each measure and stream, among the last 500."""
    names = ("at_us", "state", "severity", "measure", "stream", "unit", "value", "expected")
    statement = (
        select(*(drifts.c[name] for name in names))
        .where(drifts.c.station_id == station_id)
        .order_by(drifts.c.at_us.desc(), drifts.c.sequence.desc())
        .limit(500)
    )
    found: dict[tuple[str, str], DriftSummary] = {}
    for row in connection.execute(statement):
        each = DriftSummary(*row)
        found.setdefault((each.measure, each.stream), each)
    return tuple(sorted(found.values(), key=lambda each: (each.state != "raised", each.measure)))


def read_self_tests(
    connection: Connection, station_id: int, limit: int = 5
) -> tuple[SelfTestSummary, ...]:
    """Return the latest self-tests, newest first."""
    statement = (
        select(
            self_tests.c.at_us, self_tests.c.subject, self_tests.c.reproduced, self_tests.c.reason
        )
        .where(self_tests.c.station_id == station_id)
        .order_by(self_tests.c.at_us.desc(), self_tests.c.sequence.desc())
        .limit(limit)
    )
    return tuple(
        SelfTestSummary(row[0], row[1], bool(row[2]), row[3])
        for row in connection.execute(statement)
    )


def read_last_ends(connection: Connection, since_us: int) -> dict[int, dict[str, int]]:
    """Return the starts since a time by the number of the station and the end before them."""
    statement = (
        select(starts.c.station_id, starts.c.last_end, func.count())
        .where(starts.c.at_us >= since_us)
        .group_by(starts.c.station_id, starts.c.last_end)
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for station_id, last_end, count in connection.execute(statement):
        found[station_id][last_end] = int(count)
    return dict(found)
