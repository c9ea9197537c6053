"""The bounds of a rate: from a number of parts, and the number of them that count."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_PRECISION = 1e-14
_STEPS = 500


@dataclass(frozen=True, slots=True)
class RateBounds:
    """A rate with its bounds, each as a share from 0 to 1."""

    rate: float
    lower: float
    upper: float


def wilson_bounds(counted: int, parts: int, confidence: float = 0.95) -> RateBounds:
    """Return the two-sided score interval of a rate (Wilson 1927).

    counted: the parts that count, 0 to ``parts``. parts: at least 1. Its coverage is near
    ``confidence`` on average, so that it suits a display. Raises ValueError for other numbers.
    """
    _check(counted, parts, confidence)
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    rate = counted / parts
    scale = 1 + z * z / parts
    centre = (rate + z * z / (2 * parts)) / scale
    half = z / scale * sqrt(rate * (1 - rate) / parts + z * z / (4 * parts * parts))
    lower = 0.0 if counted == 0 else max(0.0, centre - half)
    upper = 1.0 if counted == parts else min(1.0, centre + half)
    return RateBounds(rate, lower, upper)


def exact_lower(counted: int, parts: int, confidence: float) -> float:
    """Return the one-sided lower bound of a rate (Clopper and Pearson 1934).

    The true rate is below it with a probability of at most 1 − ``confidence``, for every true rate.
    Rules use it, because their false alarms have a limit. Raises ValueError as ``wilson_bounds``.
    """
    _check(counted, parts, confidence)
    if counted == 0:
        return 0.0
    return _beta_quantile(1 - confidence, counted, parts - counted + 1)


def exact_upper(counted: int, parts: int, confidence: float) -> float:
    """Return the one-sided upper bound of a rate (Clopper and Pearson 1934)."""
    return 1 - exact_lower(parts - counted, parts, confidence)


def beta_share(x: float, a: float, b: float) -> float:
    """Return the distribution function of the beta distribution, at x from 0 to 1.

    a, b: above 0. The continued fraction is 26.5.8 of Abramowitz and Stegun (1964). The result
    agrees with other libraries to 10 digits, up to a and b of a million.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction by the method of Lentz, with Thompson's changes."""
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    result = d
    for m in range(1, _STEPS + int(10 * sqrt(max(a, b)))):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + term * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + term / c
            c = c if abs(c) > _TINY else _TINY
            result *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return result


def _beta_quantile(share: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if beta_share(middle, a, b) < share:
            low = middle
        else:
            high = middle
    return low


def _check(counted: int, parts: int, confidence: float) -> None:
    if parts < 1 or not 0 <= counted <= parts:
        raise ValueError(f"{counted} of {parts} parts; expected 0 to the number of parts")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence}; expected more than 0 and less than 1")
