"""Exact confidence bounds of a counted share (Clopper & Pearson, 1934, Biometrika 26:404).

The station has no scipy. The incomplete beta function is computed by its continued fraction (DLMF
8.17.22). tests/updates compares both.
"""

from __future__ import annotations

from math import exp, lgamma, log

_STEPS = 60  # of the bisection: beyond the precision of a float
_TERMS = 20_000
_TINY = 1e-300


def upper_bound(count: int, total: int, confidence: float = 0.95) -> float:
    """Return the share that is not exceeded with this confidence; 1 where total is 0.

    count: occurrences among ``total``, 0 to total. confidence: one-sided, inside (0, 1).
    """
    if count >= total:
        return 1.0
    return _quantile(confidence, count + 1, total - count)


def lower_bound(count: int, total: int, confidence: float = 0.95) -> float:
    """Return the share that is at least there with this confidence; 0 where count is 0."""
    if count <= 0 or not total:
        return 0.0
    return _quantile(1 - confidence, count, total - count + 1)


def _quantile(probability: float, a: int, b: int) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _cumulative(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _cumulative(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x))
    if x > (a + 1) / (a + b + 2):
        return 1 - front * _fraction(1 - x, b, a) / b
    return front * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction 1/(1+ d1/(1+ d2/(1+ …))) by the method of Lentz."""
    value, upper, lower = 1.0, 1.0, 0.0
    for term in range(_TERMS):
        m = term // 2
        if term == 0:
            factor = 1.0
        elif term % 2:
            factor = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            factor = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + factor * lower or _TINY)
        upper = 1 + factor / upper or _TINY
        step = upper * lower
        value *= step
        if term and abs(step - 1) < 1e-12:
            break
    return value - 1
