"""Learns what is usual from the first parts that pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.drift import streams
from edge.drift.baseline import Baseline
from edge.drift.streams import MEASURES

Floats = NDArray[np.float64]

BATCHES = 40
# The variance of 40 batch means is below the true one by a third at worst in 19 of 20 cases
# (chi-square with 39 degrees of freedom): so much is added.
_VARIANCE_BOUND = 1.5


class Learner:
    """Means, spreads and long-run spreads over ``parts`` parts, which must be a multiple of 40.

    The long-run variance is that of the means of 40 batches, times their length (batch means;
    Runger & Willemain, Journal of Quality Technology 27:113, 1995). Its ratio to the variance of
    parts is taken as one for all streams of a measure that look at single cells, where one stream
    alone would be too uncertain. Reaches as far as a batch: slower changes are no spread but a
    drift. One thread.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.count = 0
        self._size = parts // BATCHES
        self._began_ns = self._ended_ns = 0
        self._origin = np.full(streams.COUNT, np.nan)  # sums of squares of small numbers are exact
        self._seen, self._sum, self._square = (np.zeros(streams.COUNT) for _ in range(3))
        self._batch_seen, self._batch_sum = (np.zeros(streams.COUNT) for _ in range(2))
        self._batches, self._means, self._mean_squares = (np.zeros(streams.COUNT) for _ in range(3))

    @property
    def is_done(self) -> bool:
        return self.count >= self.parts

    def take(self, values: Floats, at_ns: int) -> None:
        """A part that passed; NaN where it says nothing."""
        if not self.count:
            self._began_ns = at_ns
        self._ended_ns = at_ns
        self.count += 1
        there = ~np.isnan(values)
        np.copyto(self._origin, values, where=there & np.isnan(self._origin))
        off = np.where(there, values - self._origin, 0.0)
        self._seen += there
        self._sum += off
        self._square += off * off
        self._batch_seen += there
        self._batch_sum += off
        if self.count % self._size == 0:
            self._end_batch()

    def baseline(self) -> Baseline:
        """What was learned; NaN for streams of which fewer than half of the parts said anything,
        and for the place of parts that do not lie alike."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self._sum / self._seen
            variance = np.maximum(self._square / self._seen - mean * mean, 0.0)
            batch_mean = self._means / self._batches
            between = self._mean_squares / self._batches - batch_mean * batch_mean
        between *= self._size * BATCHES / (BATCHES - 1)
        known = streams.known(self._seen / self.count, variance)
        inflation = np.ones(streams.COUNT)
        for measure in MEASURES:
            mine = streams.belongs(measure) & known & (variance > 0)
            if not mine.any():
                continue
            ratio = between[mine] / variance[mine]
            inflation[mine] = np.maximum(ratio.mean() if measure == "dirt" else ratio, 1.0)
        level = np.where(known, self._origin + mean, np.nan)
        spread = np.where(known, np.sqrt(variance), np.nan)
        long_run = spread * np.sqrt(inflation * _VARIANCE_BOUND)
        took_s = (self._ended_ns - self._began_ns) / 1e9
        rate_hz = (self.count - 1) / took_s if took_s > 0 else 0.0
        return Baseline(level, spread, long_run, self.count, rate_hz)

    def _end_batch(self) -> None:
        there = self._batch_seen > 0
        mean = np.divide(
            self._batch_sum, self._batch_seen, out=np.zeros_like(self._sum), where=there
        )
        self._batches += there
        self._means += mean
        self._mean_squares += mean * mean
        self._batch_seen[:] = 0
        self._batch_sum[:] = 0
