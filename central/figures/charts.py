"""Control charts of a share: the p-chart and the p'-chart, with varying numbers of parts.

With thousands of parts a group, the limits of the p-chart are closer than the ordinary change of a
process from hour to hour, and most groups are outside. The p'-chart (Laney 2002, "Improved control
charts for attributes", Quality Engineering 14(4):531) measures that change from the moving ranges
of the groups, and widens the limits by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

SIGMAS = 3.0
_RANGE_OF_TWO = 1.128
"""The mean range of two normal values, in standard deviations (d2 for n = 2)."""

MIN_GROUPS = 8
"""Fewer groups give no limits: their spread is not known."""


@dataclass(frozen=True, slots=True)
class ChartGroup:
    """The parts of one point of a chart, for instance of an hour.

    at_us: its beginning, microseconds since 1970 UTC. stage: the bundle or lot that it belongs to.
    """

    at_us: int
    parts: int
    counted: int
    stage: str = ""

    @property
    def share(self) -> float:
        """Return the share that counts, 0 to 1. The group has at least one part."""
        return self.counted / self.parts


@dataclass(frozen=True, slots=True)
class FrozenLimits:
    """The parameters of a chart, kept so that later groups are compared with them.

    centre: the share of all groups, 0 to 1. spread: the standard deviation of the z-values; 1 for
    a process that changes by chance alone. groups: the number of groups behind them.
    """

    centre: float
    spread: float
    groups: int


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One group with its limits. Each is a share from 0 to 1. is_outside: by the p'-limits."""

    group: ChartGroup
    centre: float
    lower: float
    upper: float
    laney_lower: float
    laney_upper: float

    @property
    def is_outside(self) -> bool:
        """Return whether the share is outside the limits of the p'-chart."""
        return not self.laney_lower <= self.group.share <= self.laney_upper

    @property
    def is_outside_p(self) -> bool:
        """Return whether the share is outside the limits of the p-chart."""
        return not self.lower <= self.group.share <= self.upper


@dataclass(frozen=True, slots=True)
class ShareChart:
    """A stage of a chart. limits: None where there are too few groups; points is empty then."""

    stage: str
    limits: FrozenLimits | None
    is_frozen: bool
    points: tuple[ChartPoint, ...]


def freeze(groups: Sequence[ChartGroup]) -> FrozenLimits | None:
    """Return the limits of groups in the order of time; None for fewer than ``MIN_GROUPS``.

    Groups without parts are left out. With no part that counts, or only such parts, the spread is
    not known, and 1 is used.
    """
    used = [each for each in groups if each.parts > 0]
    if len(used) < MIN_GROUPS:
        return None
    centre = sum(each.counted for each in used) / sum(each.parts for each in used)
    if not 0 < centre < 1:
        return FrozenLimits(centre, 1.0, len(used))
    z = [(each.share - centre) / _deviation(centre, each.parts) for each in used]
    ranges = [abs(later - earlier) for earlier, later in pairwise(z)]
    return FrozenLimits(centre, sum(ranges) / len(ranges) / _RANGE_OF_TWO, len(used))


def share_chart(groups: Sequence[ChartGroup], limits: FrozenLimits | None = None) -> ShareChart:
    """Return the chart of one stage. limits: those of earlier groups; None: from these groups."""
    used = [each for each in groups if each.parts > 0]
    stage = used[0].stage if used else ""
    own = freeze(used) if limits is None else limits
    if own is None:
        return ShareChart(stage, None, False, ())
    points = tuple(_point(each, own) for each in used)
    return ShareChart(stage, own, limits is not None, points)


def staged_charts(groups: Iterable[ChartGroup]) -> tuple[ShareChart, ...]:
    """Return a chart for each run of groups with the same stage, in the order of time."""
    stages: list[list[ChartGroup]] = []
    for each in groups:
        if not stages or stages[-1][0].stage != each.stage:
            stages.append([])
        stages[-1].append(each)
    return tuple(share_chart(each) for each in stages)


def _point(group: ChartGroup, limits: FrozenLimits) -> ChartPoint:
    half = SIGMAS * _deviation(limits.centre, group.parts)
    wide = half * limits.spread
    centre = limits.centre
    return ChartPoint(
        group,
        centre,
        max(0.0, centre - half),
        min(1.0, centre + half),
        max(0.0, centre - wide),
        min(1.0, centre + wide),
    )


def _deviation(centre: float, parts: int) -> float:
    return sqrt(centre * (1 - centre) / parts)
