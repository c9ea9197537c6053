"""A high percentile of which one may be sure, from a sample alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log

SHARE = 0.999
CONFIDENCE = 0.95

# With fewer, not even the greatest value seen is above p99.9 for sure: 0.999 ** 2995 < 0.05.
LEAST_FOR_P999 = 2995


def least_count(share: float = SHARE, confidence: float = CONFIDENCE) -> int:
    """How many values it takes until the greatest bounds the percentile from above."""
    count = log(1 - confidence) / log(share)
    return int(count) + (count > int(count))


def upper_bound(
    values: Sequence[float], share: float = SHARE, confidence: float = CONFIDENCE
) -> float | None:
    """A value that the percentile is not above, with this confidence; None: too few values.

    Distribution-free, by order statistics (Hahn & Meeker, Statistical Intervals, section 5.2): how
    many of n values lie above the percentile is binomial with 1 - share, so the value with j values
    above it is a bound where P(at most j above) is at most 1 - confidence. Values are taken as
    independent; a machine that is held up for long hits several in a row.
    """
    count = len(values)
    if count < least_count(share, confidence):
        return None
    above, reached = -1, 0.0
    while True:
        chance = _binomial(count, above + 1, 1 - share)
        if reached + chance > 1 - confidence:
            break
        reached += chance
        above += 1
    return sorted(values, reverse=True)[above]


def _binomial(count: int, hits: int, share: float) -> float:
    """The chance of so many hits among count; by logarithms, as a long measurement has coefficients
    that no float holds."""
    ways = lgamma(count + 1) - lgamma(hits + 1) - lgamma(count - hits + 1)
    return exp(ways + hits * log(share) + (count - hits) * log(1 - share))


def rule_of_three(passed: int) -> float:
    """None of so many parts was wrong: with 95 % confidence the share of wrong ones is not above
    this (Hanley & Lippman-Hand, JAMA 249:1743, 1983; exactly 1 - 0.05 ** (1 / n))."""
    return min(1.0, 3 / passed) if passed else 1.0
