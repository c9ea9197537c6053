"""CUSUM of a rate: it detects a lasting increase early, with a limit on false alarms.

The sum grows with each part that counts, and falls by 1/m with each other part (Reynolds and
Stoumbos 1999, "A CUSUM chart for monitoring a proportion when inspecting continuously", Journal of
Quality Technology 31(1):87). The whole number m makes the sum a Markov chain with few states, so
that its average run length is computed and not estimated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log

import numpy as np

_MOST_STATES = 1_500


@dataclass(frozen=True, slots=True)
class CusumDesign:
    """The settings of a CUSUM.

    step: m; each part that does not count lowers the sum by 1. limit: the sum at which it alarms,
    in the same unit, so that a part that counts adds m − 1. run_length: parts between two false
    alarms on average, at the rate ``normal``.
    """

    normal: float
    raised: float
    step: int
    limit: int
    run_length: float


def design_cusum(normal: float, raised: float, run_length: float) -> CusumDesign:
    """Return the CUSUM with the lowest limit that has at least this average run length.

    normal: the rate without an alarm. raised: the rate that is to be detected; both are shares,
    with 0 < normal < raised < 1. run_length: parts between two false alarms, at least 1. Takes up
    to a second where the rates are near each other. Raises ValueError for other numbers, and where
    the chain would have more than 1,500 states.
    """
    return _design(round(normal, 6), round(raised, 6), float(run_length))


@lru_cache(maxsize=256)
def _design(normal: float, raised: float, run_length: float) -> CusumDesign:
    if not 0 < normal < raised < 1:
        raise ValueError(f"rates {normal} and {raised}; expected 0 < normal < raised < 1")
    if not 1 <= run_length < 1e15:
        raise ValueError(f"a run length of {run_length} parts; expected 1 to 1e15")
    falls = -log((1 - raised) / (1 - normal))
    grows = log(raised * (1 - normal) / (normal * (1 - raised)))
    step = max(2, round(grows / falls))
    low, high = 1, step
    while average_run_length(normal, step, high) < run_length:
        low, high = high, high * 2
        if high > _MOST_STATES:
            raise ValueError(
                f"rates {normal} and {raised} need more than {_MOST_STATES} states; expected rates "
                "that differ more, or a shorter run length"
            )
    while high - low > 1:
        middle = (low + high) // 2
        if average_run_length(normal, step, middle) < run_length:
            low = middle
        else:
            high = middle
    return CusumDesign(normal, raised, step, high, average_run_length(normal, step, high))


def average_run_length(rate: float, step: int, limit: int) -> float:
    """Return the parts until the sum reaches the limit, on average, from a sum of 0.

    rate: the true share of parts that count. The sum is 0 to limit − 1 until then. With one
    unknown for each state, the equations L(s) = 1 + rate·L(s + step − 1) + (1 − rate)·L(s − 1)
    are solved exactly.
    """
    if rate <= 0:
        return float("inf")
    # L(s) = a(s) + b(s)·L(0): from L(s) follow later states, as long as they are not yet at the
    # limit. Solved as a matrix, because that recursion loses all digits with large limits.
    matrix = np.eye(limit)
    states = np.arange(limit)
    matrix[states, np.maximum(states - 1, 0)] -= 1 - rate
    up = states + step - 1
    inside = up < limit
    matrix[states[inside], up[inside]] -= rate
    lengths = np.linalg.solve(matrix, np.ones(limit))
    length = float(lengths[0])
    # Rounding makes a length beyond 1e15 negative or infinite.
    return length if 0 < length < 1e15 else 1e15


def follow_cusum(design: CusumDesign, groups: Iterable[tuple[int, int]], start: int = 0) -> int:
    """Return the sum after groups of parts, each as (parts, counted). start: the sum before them.

    The sum is not above ``design.limit``. The order of the parts within a group is not known. The
    sum of the whole group is used, which never alarms before the CUSUM part by part would.
    """
    total = start
    for parts, counted in groups:
        total = max(0, total + counted * design.step - parts)
        total = min(total, design.limit)
    return total


def parts_until_detected(design: CusumDesign) -> int:
    """Return the parts until an alarm on average, at the rate ``design.raised`` from the start."""
    return ceil(average_run_length(design.raised, design.step, design.limit))
