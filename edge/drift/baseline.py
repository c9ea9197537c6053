"""What is usual at a station: what was learned there, held against what the bundle knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.drift import streams
from edge.drift.cusum import Cusum, caps
from edge.drift.limits import limit_for
from edge.drift.reference import DriftReference
from edge.drift.streams import MEASURES, Measure

Floats = NDArray[np.float64]

MONTH_S = 30 * 24 * 3600.0
_SURE = 4.0  # standard errors by which a mean of few parts may be wrong, over some 500 streams
_LEAST_SPREAD = 0.05  # of the shift: a stream of no spread at all would have a limit of 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Learned from parts that passed. level, spread: mean and standard deviation per stream, NaN
    for one that is not watched. long_run: the spread of a part as sums of many see it, larger where
    parts depend on the ones before. count: parts that were measured; rate_hz: of these, one after
    the other."""

    level: Floats
    spread: Floats
    long_run: Floats
    count: int
    rate_hz: float

    def expected(self, reference: DriftReference | None) -> Floats:
        """The station's own levels, no further from the bundle's than half a shift and what a mean
        of the bundle's few pictures may be wrong by: what is beyond counts as drift."""
        if reference is None:
            return self.level
        known = reference.levels
        allowed = streams.shifts() / 2 + _SURE * reference.errors
        held = np.clip(self.level, known - allowed, known + allowed)
        return np.where(np.isnan(known), self.level, held)

    def chart(
        self,
        reference: DriftReference | None,
        *,
        measures: tuple[Measure, ...] = MEASURES,
        false_alarms_per_month: float,
        parts_per_month: float,
    ) -> Cusum:
        """Sums with limits for this budget, shared among the measures, and by each among its
        streams. parts_per_month: of the measured ones."""
        shift = streams.shifts()
        long_run = np.maximum(self.long_run, _LEAST_SPREAD * shift)
        # Half of the shift that is to be found (Page 1954), and what the level may be wrong by.
        slack = shift / 2 + _SURE * long_run / np.sqrt(self.count)
        expected = self.expected(reference)
        limit = np.full(streams.COUNT, np.inf)
        for measure in measures:
            mine = streams.belongs(measure) & ~np.isnan(expected)
            sides = float((2 - streams.down_only()[mine]).sum())
            share = false_alarms_per_month / len(measures)
            run_length = parts_per_month * max(sides, 1.0) / share
            limit[mine] = limit_for((slack / long_run)[mine], run_length) * long_run[mine]
        return Cusum(expected, slack, limit, caps(shift, self.spread), streams.down_only())
