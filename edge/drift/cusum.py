"""Cumulative sums over many streams at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ODD = 3.0  # one part counts as far out as that many shifts or spreads, not more
_RECENT = 32  # parts that the present value is the mean of


class Cusum:
    """Two one-sided sums per stream (Page, Biometrika 41:100, 1954):
    ``up = max(0, up + value - expected - slack)``, ``down`` likewise.

    A stream is over from when one of its sums reaches the limit until it is 0 again; a sum stays at
    its limit at most, so what took n parts to come takes about as many to go. A value counts as
    ``cap`` off at most: one odd part is not a drift. NaN: this part says nothing of the stream. A
    limit of infinity watches nothing. One thread.
    """

    def __init__(
        self,
        expected: Floats,
        slack: Floats,
        limit: Floats,
        cap: Floats,
        down_only: NDArray[np.bool_],
    ) -> None:
        """All of one length, in the streams' own units."""
        self.expected = expected
        self._slack = slack
        self._cap, self._floor = cap, -cap
        count = len(expected)
        self._up = _Sum(count, np.where(down_only, np.inf, limit))
        self._down = _Sum(count, limit.copy())
        self._over = np.zeros(count, np.bool_)
        self._off, self._absent = np.empty(count), np.empty(count, np.bool_)

    def update(self, values: Floats, part_id: int) -> NDArray[np.bool_]:
        """Take one part's values; which streams are over now, valid until the next part."""
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
        """What the stream is now: the mean of its last 32 parts, of fewer where the sum is
        younger; what is expected where it is 0."""
        nearer = self._nearer(index)
        return float(nearer.recent[index] if nearer.parts[index] else self.expected[index])

    def since(self, index: int) -> int:
        """The first part of the sum: where the change began, as far as a sum can tell."""
        return int(self._nearer(index).since[index])

    def share(self, index: int) -> float:
        """How near to its limit the stream is, 0 to 1."""
        return self._nearer(index).share(index)

    def _nearer(self, index: int) -> _Sum:
        return max(self._up, self._down, key=lambda each: each.share(index))


class _Sum:
    """One side: sums, the part each began with, how many parts it has, and their recent mean."""

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
        """Which have reached their limit."""
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
    """How far off a value may count: three shifts, or three spreads where those are more."""
    return _ODD * np.maximum(shift, spread)
