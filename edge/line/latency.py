"""Percentiles of durations over a whole run, in a fixed amount of memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

# Buckets grow by 5 %, so a percentile is at most 5 % above the true value; from 1 µs to 100 s.
_GROWTH = log(1.05)
_BUCKETS = 2 + ceil(log(1e8) / _GROWTH)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in microseconds; all 0 without a measurement. max_us is exact; the others are up
    to 5 % too high."""

    count: int
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float


class Histogram:
    """Durations in buckets of equal ratio. ``add`` takes under a microsecond; one thread adds."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._count = 0
        self._max_us = 0.0

    def add(self, value_us: float) -> None:
        """Add one duration. Below 1 µs it counts as 1 µs, above 100 s as 100 s."""
        index = 0 if value_us <= 1 else min(_BUCKETS - 1, 1 + int(log(value_us) / _GROWTH))
        self._counts[index] += 1
        self._count += 1
        self._max_us = max(self._max_us, value_us)

    def percentiles(self) -> Percentiles:
        """Return the percentiles of all durations so far."""
        shares = (self._at(0.5), self._at(0.99), self._at(0.999))
        return Percentiles(self._count, *shares, self._max_us)

    def _at(self, share: float) -> float:
        """Return the upper end of the bucket in which a share of all values is reached."""
        wanted, total = ceil(share * self._count), 0
        if not wanted:
            return 0.0
        for index, count in enumerate(self._counts):
            total += count
            if total >= wanted:
                return float(min(1.05**index, self._max_us))
        return self._max_us


class StageStats:
    """One histogram for each stage, made at its first duration. Each stage has one thread."""

    def __init__(self) -> None:
        self._stages: dict[str, Histogram] = {}

    def add(self, stage: str, value_us: float) -> None:
        """Add one duration of one stage."""
        histogram = self._stages.get(stage)
        if histogram is None:
            histogram = self._stages.setdefault(stage, Histogram())
        histogram.add(value_us)

    def percentiles(self) -> dict[str, Percentiles]:
        """Return the percentiles of each stage, in the order of their first durations. Any
        thread."""
        return {stage: histogram.percentiles() for stage, histogram in list(self._stages.items())}
