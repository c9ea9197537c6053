"""Upper confidence bounds for a high percentile, from a sample without a known distribution."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log

SHARE = 0.999
CONFIDENCE = 0.95

# With fewer values even the greatest one is below p99.9 with a chance above 5 %: 0.999 ** 2995 <
# 0.05.
LEAST_FOR_P999 = 2995


def least_count(share: float = SHARE, confidence: float = CONFIDENCE) -> int:
    """Return the number of values from which the greatest one bounds the percentile from above."""
    count = log(1 - confidence) / log(share)
    return int(count) + (count > int(count))


def upper_bound(
    values: Sequence[float], share: float = SHARE, confidence: float = CONFIDENCE
) -> float | None:
    """Return an upper bound of the percentile with this confidence, or None for too few values.

    The bound is distribution-free, by order statistics (Hahn & Meeker, Statistical Intervals,
    section 5.2). The number of values above the percentile is binomial with parameter 1 - share.
    The value with j values above it is a bound where P(at most j above) is at most 1 - confidence.
    The method assumes independent values. A long delay of the machine affects several in a row,
    which breaks this assumption.
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
    """Return the probability of this number of hits among ``count``.

    It uses logarithms, because the coefficients of a long measurement overflow a float.
    """
    ways = lgamma(count + 1) - lgamma(hits + 1) - lgamma(count - hits + 1)
    return exp(ways + hits * log(share) + (count - hits) * log(1 - share))


def rule_of_three(passed: int) -> float:
    """Return the 95 % upper bound of the share of wrong parts after n parts without a wrong one.

    It is 3 / n (Hanley & Lippman-Hand, JAMA 249:1743, 1983); the exact value is 1 - 0.05 ** (1/n).
    """
    return min(1.0, 3 / passed) if passed else 1.0
