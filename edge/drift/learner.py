"""The learner: it calculates the baseline from the first parts that pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.drift import streams
from edge.drift.baseline import Baseline
from edge.drift.streams import MEASURES

Floats = NDArray[np.float64]

BATCHES = 40
# In 19 of 20 cases the variance of 40 batch means is at most a third below the true one (chi-square
# with 39 degrees of freedom). This factor compensates for it.
_VARIANCE_BOUND = 1.5
# Greatest correlation of successive batches. A larger one is a drift, as far as 40 batches show.
_MOST_MEMORY = 0.9


class Learner:
    """The calculation of means, spreads and long-run spreads over a number of parts.

    parts: a multiple of 40. The long-run variance is the variance of the means of 40 batches times
    their length (batch means; Runger & Willemain, Journal of Quality Technology 27:113, 1995).
    Where batches depend on the ones before, it is multiplied by (1 + r) / (1 - r), with r their
    correlation, as for a first-order process. All streams of single cells share one ratio and
    one r. A change that is slower than all the parts together is a drift and no spread.

    One thread at a time may use it.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.count = 0
        self._size = parts // BATCHES
        self._began_ns = self._ended_ns = 0
        self._origin = np.full(
            streams.COUNT, np.nan
        )  # differences to it are small, so their squares are accurate
        self._seen, self._sum, self._square = (np.zeros(streams.COUNT) for _ in range(3))
        self._batch_seen, self._batch_sum = np.zeros(streams.COUNT), np.zeros(streams.COUNT)
        self._means = np.full((BATCHES, streams.COUNT), np.nan)

    @property
    def is_done(self) -> bool:
        return self.count >= self.parts

    def take(self, values: Floats, at_ns: int) -> None:
        """Add a part that passed; NaN for no value. Must not be called after ``is_done``."""
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
            batch = self._means[self.count // self._size - 1]
            np.divide(self._batch_sum, self._batch_seen, out=batch, where=self._batch_seen > 0)
            self._batch_seen[:] = 0
            self._batch_sum[:] = 0

    def baseline(self) -> Baseline:
        """Return the baseline.

        It is NaN for a stream with values of fewer than half of the parts, and for the position
        where it varies too much.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self._sum / self._seen
            variance = np.maximum(self._square / self._seen - mean * mean, 0.0)
        known = streams.known(self._seen / self.count, variance)
        inflation = self._inflation(variance, known & (variance > 0))
        level = np.where(known, self._origin + mean, np.nan)
        spread = np.where(known, np.sqrt(variance), np.nan)
        long_run = spread * np.sqrt(inflation * _VARIANCE_BOUND)
        duration_s = (self._ended_ns - self._began_ns) / 1e9
        rate_hz = (self.count - 1) / duration_s if duration_s > 0 else 0.0
        return Baseline(level, spread, long_run, self.count, rate_hz)

    def _inflation(self, variance: Floats, usable: NDArray[np.bool_]) -> Floats:
        """Return the ratio of the long-run variance to the variance of parts, at least 1."""
        ratios = np.ones(streams.COUNT)
        there = ~np.isnan(self._means)
        middle = np.where(there, self._means, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        off = np.where(there, self._means - middle, 0.0)
        between = (off * off).sum(axis=0) / (BATCHES - 1)
        following = (off[1:] * off[:-1]).sum(axis=0) / (BATCHES - 1)
        for measure in MEASURES:
            mine = streams.belongs(measure) & usable
            if not mine.any():
                continue
            ratio = self._size * between[mine] / variance[mine]
            memory = following[mine] / np.maximum(between[mine], 1e-300)
            if measure == "dirt":
                ratio, memory = (
                    np.full_like(ratio, ratio.mean()),
                    np.full_like(memory, memory.mean()),
                )
            # An estimate from 40 batches is too low by some (1 + 4 r) / 40 (Kendall 1954).
            memory = np.clip(memory + (1 + 4 * memory) / BATCHES, 0.0, _MOST_MEMORY)
            ratios[mine] = np.maximum(ratio * (1 + memory) / (1 - memory), 1.0)
        return ratios
