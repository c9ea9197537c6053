"""The figures of a station for its page and for the API."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from central.figures.charts import (
    ChartGroup,
    FrozenLimits,
    ShareChart,
    share_chart,
    staged_charts,
)
from central.figures.pareto import HistogramBin, ParetoBar, histogram, pareto
from central.figures.rates import RateBounds, wilson_bounds
from central.store.judgements import read_limits, station_number
from central.store.lots import LotWindow, read_lots
from central.store.periods import (
    SEVERITY_BINS,
    ChainTimes,
    DriftSummary,
    IntervalCounts,
    Period,
    SelfTestSummary,
    read_chain_times,
    read_drifts,
    read_intervals,
    read_self_tests,
    read_severities,
)
from central.store.queries import PartCounts, read_kinds
from central.store.tables import MINUTE_US

STEPS = {8: 15, 24: 30, 168: 120, 720: 480}
"""The minutes of an interval, by the hours of a period."""


@dataclass(frozen=True, slots=True)
class YieldPoint:
    """The yield of one interval with its bounds of 95 % (Wilson). at_us: the beginning."""

    at_us: int
    parts: int
    bounds: RateBounds


@dataclass(frozen=True, slots=True)
class StationFigures:
    """The figures of a station in a period.

    charts: rejected parts per stage. times: None where no chain ran.
    """

    station: str
    hours: int
    first_us: int
    end_us: int
    counts: PartCounts
    yields: tuple[YieldPoint, ...]
    charts: tuple[ShareChart, ...]
    kinds: tuple[ParetoBar, ...]
    severities: tuple[HistogramBin, ...]
    times: ChainTimes | None
    drifts: tuple[DriftSummary, ...]
    self_tests: tuple[SelfTestSummary, ...]


def read_figures(
    connection: Connection, station: str, hours: int, now_us: int, *, by_lot: bool = False
) -> StationFigures:
    """Return the figures of a station, from the figures per minute.

    hours: one of ``STEPS``. by_lot: the stages of the chart are lots, otherwise bundles. Raises
    JudgementError for an unknown station.
    """
    number = station_number(connection, station)
    period = period_of(hours, now_us)
    intervals = read_intervals(connection, number, period)
    if by_lot:
        windows = read_lots(connection, names=frozenset({station}), limit=500)
        charts = staged_charts(_by_lot(intervals, windows))
    else:
        charts = _by_bundle(intervals, number, read_limits(connection))
    edges = [12 * each / SEVERITY_BINS for each in range(SEVERITY_BINS + 1)]
    return StationFigures(
        station,
        hours,
        period.first_us,
        period.end_us,
        _sum(intervals),
        _yields(intervals),
        charts,
        pareto(read_kinds(connection, period.first, period.last, station)),
        histogram(read_severities(connection, number, period), edges),
        read_chain_times(connection, number),
        read_drifts(connection, number),
        read_self_tests(connection, number),
    )


def period_of(hours: int, now_us: int) -> Period:
    """Return the period of the last hours, from the beginning of an interval."""
    step = STEPS[hours]
    last = now_us // MINUTE_US
    first = last - hours * 60 + 1
    return Period(first - first % step, last, step)


def _by_bundle(
    intervals: tuple[IntervalCounts, ...],
    number: int,
    limits: dict[tuple[int, str], FrozenLimits],
) -> tuple[ShareChart, ...]:
    charts = []
    for each in staged_charts(group.rejects() for group in intervals):
        own = limits.get((number, each.stage))
        if own is not None:
            groups = [one.rejects() for one in intervals if one.bundle == each.stage]
            each = share_chart(_within(groups, each, intervals), own)
        charts.append(each)
    return tuple(charts)


def _within(
    groups: list[ChartGroup], chart: ShareChart, intervals: tuple[IntervalCounts, ...]
) -> list[ChartGroup]:
    """Return the groups of one stage; all of the bundle where the chart has no points."""
    if not chart.points:
        return groups
    first, last = chart.points[0].group.at_us, chart.points[-1].group.at_us
    return [each for each in groups if first <= each.at_us <= last]


def _by_lot(
    intervals: tuple[IntervalCounts, ...], windows: tuple[LotWindow, ...]
) -> list[ChartGroup]:
    groups: dict[int, ChartGroup] = {}
    for each in intervals:
        old = groups.get(each.at_us)
        parts = each.inspected + (old.parts if old else 0)
        rejected = each.rejected + (old.counted if old else 0)
        groups[each.at_us] = ChartGroup(each.at_us, parts, rejected, _lot_at(each.at_us, windows))
    return [groups[at_us] for at_us in sorted(groups)]


def _lot_at(at_us: int, windows: tuple[LotWindow, ...]) -> str:
    for each in windows:
        entry = each.entry
        if entry.began_us <= at_us and (entry.ended_us is None or at_us < entry.ended_us):
            return entry.lot
    return ""


def _sum(intervals: tuple[IntervalCounts, ...]) -> PartCounts:
    return PartCounts(
        sum(each.inspected for each in intervals),
        sum(each.passed for each in intervals),
        sum(each.rejected for each in intervals),
        sum(each.unknown for each in intervals),
    )


def _yields(intervals: tuple[IntervalCounts, ...]) -> tuple[YieldPoint, ...]:
    sums: dict[int, list[int]] = {}
    for each in intervals:
        own = sums.setdefault(each.at_us, [0, 0])
        own[0] += each.passed
        own[1] += each.inspected
    return tuple(
        YieldPoint(at_us, parts, wilson_bounds(min(passed, parts), parts))
        for at_us, (passed, parts) in sorted(sums.items())
        if parts > 0 and passed >= 0
    )
