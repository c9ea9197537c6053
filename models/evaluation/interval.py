"""Shares that were counted, and how sure they are.

Intervals are those of Clopper & Pearson (1934, Biometrika 26:404): exact, and wide where parts are
few.
"""

from __future__ import annotations

import math

from scipy.special import bdtr, betaincinv  # scipy.stats takes a second to import

CONFIDENCE = 0.95


def interval(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper-Pearson's bounds of a share, 0 to 1, when ``count`` in ``total`` were seen; (0, 1)
    when total is 0. Raises ValueError for a count outside 0 to total, or a confidence that is not
    inside (0, 1)."""
    if not 0 <= count <= total or not 0 < confidence < 1:
        raise ValueError(f"{count} of {total} at a confidence of {confidence} is no share")
    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def upper_bound(count: int, total: int, confidence: float = CONFIDENCE) -> float:
    """The share, 0 to 1, that with this confidence is not exceeded when ``count`` in ``total`` were
    seen: Clopper-Pearson, one-sided; 1 when total is 0. Raises ValueError as ``interval``."""
    return interval(count, total, 2 * confidence - 1)[1]


def lower_bound(count: int, total: int, confidence: float = CONFIDENCE) -> float:
    """The share, 0 to 1, that with this confidence is at least there: as ``upper_bound``; 0 when
    total is 0."""
    return interval(count, total, 2 * confidence - 1)[0]


def parts_to_prove(limit: float, found: int = 0, confidence: float = CONFIDENCE) -> int:
    """The fewest parts that prove, one-sided, a rate of at most ``limit`` when ``found`` are seen
    among them: the rule of three (3 / limit) for any count. Raises ValueError for a limit that is
    not inside (0, 1)."""
    if not 0 < limit < 1:
        raise ValueError(f"a limit of {limit} cannot be proved; expected inside (0, 1)")
    low, high = found, found + 1  # low does not prove it: high does, once doubled far enough
    while bdtr(found, high, limit) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if bdtr(found, middle, limit) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def percent(share: float) -> str:
    """'0.5%', three digits at most; '–' for nan."""
    return "–" if math.isnan(share) else f"{100 * share:.3g}%"


def share_of(count: int | None, total: int) -> str:
    """'3 of 66'; 'unknown' where there is no part to count."""
    return UNKNOWN if not total or count is None else f"{count} of {total}"


def span(bounds: tuple[float, float]) -> str:
    """'0.947–12.7%'."""
    return f"{percent(bounds[0])[:-1]}–{percent(bounds[1])}"


UNKNOWN = "unknown"


def counted(count: int | None, total: int) -> str:
    """'3 of 66 (4.55%; 95% interval 0.947–12.7%)'; 'unknown' where there is no part to count."""
    if not total or count is None:
        return UNKNOWN
    sure = f"{percent(CONFIDENCE)} interval {span(interval(count, total))}"
    return f"{count} of {total} ({percent(count / total)}; {sure})"
