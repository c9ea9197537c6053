"""The baseline of a station: the usual level and spread of each stream, learned from parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.drift import streams
from edge.drift.cusum import Cusum, caps, limit_for
from edge.drift.reference import DriftReference
from edge.drift.streams import MEASURES, Measure

Floats = NDArray[np.float64]

MONTH_S = 30 * 24 * 3600.0
_SURE = 4.0  # standard errors allowed for a mean of few parts, over some 500 streams
_LEAST_SPREAD = 0.05  # share of the shift; a stream without any spread would have a limit of 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """The baseline, learned from parts that passed. All arrays are float64, one value per stream.

    level, spread: mean and standard deviation; NaN for a stream that is not watched.
    long_run: standard deviation that sums of many parts show; it is larger than spread where parts
    depend on the parts before.
    count: number of measured parts. rate_hz: measured parts per second.
    """

    level: Floats
    spread: Floats
    long_run: Floats
    count: int
    rate_hz: float

    def expected(self, reference: DriftReference | None) -> Floats:
        """Return the expected level of each stream.

        It is the level of the station, limited to the level of the bundle ± (half of the shift plus
        4 standard errors of the bundle's mean). A larger difference counts as drift.
        """
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
        """Return cumulative sums with limits for this rate of false alarms.

        The rate is divided equally among the measures, and within a measure among its streams.
        parts_per_month: measured parts.
        """
        shift = streams.shifts()
        long_run = np.maximum(self.long_run, _LEAST_SPREAD * shift)
        # Half of the shift to detect (Page 1954), plus the possible error of the level.
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
