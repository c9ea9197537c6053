"""Cumulative sums over many streams at once, and their limits for a rate of false alarms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ODD = 3.0  # shifts or spreads by which one part counts at most
_RECENT = 32  # parts over which the current value is averaged

_OVERSHOOT = 1.166  # 2 · 0.583 (Siegmund 1985): excess of a random walk at its limit, both ends
_LEAST_PARTS = 8  # fewest parts, moved by a whole shift, that may raise an alarm
_ROUNDS = 40


class Cusum:
    """Two one-sided cumulative sums per stream (Page, Biometrika 41:100, 1954).

    ``up = max(0, up + value - expected - slack)``, ``down`` likewise. A stream is over its limit
    from when a sum reaches it until both sums are 0 again. A sum is limited to its limit, so a
    change that took n parts to be detected takes about as many to end.

    A value counts as at most ``cap`` away from the expected one, so one odd part is no drift. NaN:
    the part has no value of the stream. A limit of infinity switches a stream off. One thread at a
    time may use it.
    """

    def __init__(
        self,
        expected: Floats,
        slack: Floats,
        limit: Floats,
        cap: Floats,
        down_only: NDArray[np.bool_],
    ) -> None:
        """Take arrays of one length, in the units of the streams."""
        self.expected = expected
        self._slack = slack
        self._cap, self._floor = cap, -cap
        count = len(expected)
        self._up = _Sum(count, np.where(down_only, np.inf, limit))
        self._down = _Sum(count, limit.copy())
        self._over = np.zeros(count, np.bool_)
        self._off, self._absent = np.empty(count), np.empty(count, np.bool_)

    def update(self, values: Floats, part_id: int) -> NDArray[np.bool_]:
        """Add the values of one part. Return a mask of the streams over their limit.

        The mask is valid until the next call.
        """
        off, absent = self._off, self._absent
        np.isnan(values, out=absent)
        np.subtract(values, self.expected, out=off)
        np.clip(off, self._floor, self._cap, out=off)
        for each in (self._up, self._down):
            np.copyto(off, self._slack, where=absent)  # adds 0
            self._over |= each.add(off, self._slack, values, absent, part_id)
            np.negative(off, out=off)
        self._over &= ~(self._up.idle & self._down.idle)
        return self._over

    def value(self, index: int) -> float:
        """Return the current value of a stream: the mean of the last 32 parts of its sum.

        The sum may have fewer parts. Return the expected value where the sum is 0.
        """
        nearer = self._nearer(index)
        return float(nearer.recent[index] if nearer.parts[index] else self.expected[index])

    def since(self, index: int) -> int:
        """Return the first part of the sum, an estimate of the part at which the change began."""
        return int(self._nearer(index).since[index])

    def share(self, index: int) -> float:
        """Return the larger sum of the stream as a share of its limit, 0 to 1."""
        return self._nearer(index).share(index)

    def _nearer(self, index: int) -> _Sum:
        return max(self._up, self._down, key=lambda each: each.share(index))


class _Sum:
    """One side of all streams: sums, their first parts, numbers of parts and recent means."""

    def __init__(self, count: int, limit: Floats) -> None:
        self.sums, self.limit = np.zeros(count), limit
        self.since = np.zeros(count, np.int64)
        self.parts, self.recent = np.zeros(count), np.zeros(count)
        self.idle = np.ones(count, np.bool_)
        self._flag, self._step = np.empty(count, np.bool_), np.empty(count)

    def add(
        self,
        off: Floats,
        slack: Floats,
        values: Floats,
        absent: NDArray[np.bool_],
        part_id: int,
    ) -> NDArray[np.bool_]:
        """Add one part. Return a mask of the sums that have reached their limit."""
        flag, step = self._flag, self._step
        np.copyto(self.since, part_id, where=self.idle)
        np.subtract(off, slack, out=step)
        self.sums += step
        np.maximum(self.sums, 0, out=self.sums)
        np.equal(self.sums, 0, out=self.idle)
        np.logical_not(absent, out=flag)
        self.parts += flag
        np.copyto(self.parts, 0, where=self.idle)
        np.minimum(self.parts, _RECENT, out=step)
        np.maximum(step, 1, out=step)
        np.divide(1, step, out=step)
        step *= values - self.recent
        np.add(self.recent, step, out=self.recent, where=flag)
        np.greater_equal(self.sums, self.limit, out=flag)
        np.minimum(self.sums, self.limit, out=self.sums)
        return flag

    def share(self, index: int) -> float:
        return float(self.sums[index] / self.limit[index])


def caps(shift: Floats, spread: Floats) -> Floats:
    """Return the largest deviation that counts: three times the larger of shift and spread."""
    return _ODD * np.maximum(shift, spread)


def average_run_length(
    slack: NDArray[np.float64], limit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean number of parts until a one-sided sum gives a false alarm.

    This is the approximation of Siegmund (Sequential Analysis, 1985; Montgomery, Statistical
    Quality Control, 9.1.2) for normally distributed values. slack and limit are in units of the
    part-to-part spread. Where parts depend on the parts before, they are in units of the long-run
    spread, for which sums behave in the same way.
    """
    way = 2 * slack * (limit + _OVERSHOOT)
    return np.asarray((np.expm1(way) - way) / (2 * slack * slack), np.float64)


def limit_for(slack: NDArray[np.float64], run_length: float) -> NDArray[np.float64]:
    """Return the limit that gives one false alarm in run_length parts. slack must be above 0.

    Units are those of ``average_run_length``. The limit is at least the sum after 8 parts that
    moved by twice the slack. The approximation is not valid where the slack is large against the
    spread, and one odd part must not raise an alarm.
    """
    wanted = 2 * slack * slack * max(run_length, 1.0)
    way = np.log1p(wanted)
    for _ in range(_ROUNDS):  # way = log(1 + wanted + way), a contraction
        way = np.log1p(wanted + way)
    return np.asarray(np.maximum(way / (2 * slack) - _OVERSHOOT, _LEAST_PARTS * slack), np.float64)
