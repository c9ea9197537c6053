"""The search for the reject severity: the severity from which a reported defect rejects the part.

T is the threshold at which reported and drawn pixels agree best. Faint false regions hardly change
that agreement, so T is low. The decision on the part needs a limit of its own. Two limits of this
kind are known from edges (Canny 1986, hysteresis): a low one for the extent, a high one for what
counts (decision 52).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.networks import SEVERITY_MAX

STEP = 0.1
# Sums of two rates with a smaller difference are equal: with a hundred parts it is one part.
SLACK = 0.01
# Place of the limit between the severest good part and the faintest defective one. It is nearer to
# the good parts, because an escape is worse, and because few defective parts are held back.
PLACE = 1 / 3


@dataclass(frozen=True, slots=True)
class WorstDefect:
    """A held-back part, or the surface of one: the truth, and its most severe reported defect.

    severity: reduced by the classifier's doubt (``edge.chain.decide.severity_of``), 0 to 12; 0
    without a defect.
    """

    is_defective: bool
    severity: float


def above_threshold(reject_severity: float | None, threshold: float) -> float | None:
    """Return the reject severity, or None where every region at T reaches it. threshold: T."""
    if reject_severity is None or reject_severity <= threshold:
        return None
    return reject_severity


def search_reject_severity(
    parts: Sequence[WorstDefect], threshold: float, allowed: int
) -> float | None:
    """Return the one with the fewest escapes that rejects at most ``allowed`` good parts.

    Of those with equally many escapes, the ones that reject the fewest good parts count. They lie
    between two parts, and PLACE chooses one. The highest is returned where none is within
    ``allowed``. None where every defect should
    reject, or where no good part can be counted. threshold: T, the least reject severity.
    """
    bad, good = _severities(parts)
    if not good.size:
        return None
    grid = _grid(threshold)
    rejects = (good >= grid[:, None]).sum(1)
    within = np.flatnonzero(rejects <= allowed)
    if not within.size:
        return float(grid[-1])
    if not bad.size:
        best = int(within[0])
    else:
        escapes = (bad < grid[:, None]).sum(1)
        near = within[escapes[within] == escapes[within[0]]]
        near = near[rejects[near] == rejects[near[-1]]]
        best = int(near[int((len(near) - 1) * PLACE)])
    return float(grid[best]) if best else None


def search_balanced_severity(parts: Sequence[WorstDefect], threshold: float) -> float | None:
    """Return the reject severity with the least sum of escape rate and false-reject rate.

    Of all that are within SLACK of that sum, those with the fewest escapes count. They lie between
    two parts, and PLACE chooses one of them. None where every defect should reject, where every
    defective part would escape, or where no good or no defective part can be counted. threshold: T,
    the least reject severity.
    """
    bad, good = _severities(parts)
    if not bad.size or not good.size:
        return None
    grid = _grid(threshold)
    escapes = (bad < grid[:, None]).mean(1)
    sums = escapes + (good >= grid[:, None]).mean(1)
    near = np.flatnonzero(sums <= sums.min() + SLACK)
    near = near[escapes[near] == escapes[near].min()]
    least = near[sums[near] == sums[near].min()]
    best = int(least[int((len(least) - 1) * PLACE)])
    return float(grid[best]) if best and escapes[best] < 1.0 else None


def _severities(
    parts: Sequence[WorstDefect],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the severities of the defective and of the good parts."""
    bad, good = (
        np.array([part.severity for part in parts if part.is_defective is side], np.float64)
        for side in (True, False)
    )
    return bad, good


def _grid(threshold: float) -> npt.NDArray[np.float64]:
    """Return the reject severities to try, from T on."""
    return np.arange(threshold, SEVERITY_MAX, STEP).round(2)
