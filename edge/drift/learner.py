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
# Of one batch with the next. More cannot be told from a drift in so short a time.
_MOST_MEMORY = 0.9


class Learner:
    """Means, spreads and long-run spreads over ``parts`` parts, which must be a multiple of 40.

    The long-run variance is that of the means of 40 batches, times their length (batch means;
    Runger & Willemain, Journal of Quality Technology 27:113, 1995), and where batches still depend
    on the ones before, times (1 + r) / (1 - r) with r their correlation, as for a process of first
    order. For the streams that look at single cells one ratio and one r are taken for all of them.
    What changes more slowly than in all of the parts is no spread but a drift. One thread.
    """

    def __init__(self, parts: int) -> None:
        self.parts = parts
        self.count = 0
        self._size = parts // BATCHES
        self._began_ns = self._ended_ns = 0
        self._origin = np.full(streams.COUNT, np.nan)  # squares of small numbers are exact
        self._seen, self._sum, self._square = (np.zeros(streams.COUNT) for _ in range(3))
        self._batch_seen, self._batch_sum = np.zeros(streams.COUNT), np.zeros(streams.COUNT)
        self._means = np.full((BATCHES, streams.COUNT), np.nan)

    @property
    def is_done(self) -> bool:
        return self.count >= self.parts

    def take(self, values: Floats, at_ns: int) -> None:
        """A part that passed; NaN where it says nothing. Not after ``is_done``."""
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
        """What was learned; NaN for streams of which fewer than half of the parts said anything,
        and for the place of parts that do not lie alike."""
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self._sum / self._seen
            variance = np.maximum(self._square / self._seen - mean * mean, 0.0)
        known = streams.known(self._seen / self.count, variance)
        inflation = self._inflation(variance, known & (variance > 0))
        level = np.where(known, self._origin + mean, np.nan)
        spread = np.where(known, np.sqrt(variance), np.nan)
        long_run = spread * np.sqrt(inflation * _VARIANCE_BOUND)
        took_s = (self._ended_ns - self._began_ns) / 1e9
        rate_hz = (self.count - 1) / took_s if took_s > 0 else 0.0
        return Baseline(level, spread, long_run, self.count, rate_hz)

    def _inflation(self, variance: Floats, usable: NDArray[np.bool_]) -> Floats:
        """The long-run variance over that of parts, at least 1."""
        found = np.ones(streams.COUNT)
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
            found[mine] = np.maximum(ratio * (1 + memory) / (1 - memory), 1.0)
        return found
