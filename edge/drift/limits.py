"""How far a sum must go before it is an alarm: from the parts between two false ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_OVERSHOOT = 1.166  # 2 · 0.583, Siegmund 1985: by what a random walk passes its limit, both ends
_LEAST_PARTS = 8  # a sum at its limit is never the word of fewer parts that moved by a whole shift
_ROUNDS = 40


def average_run_length(
    slack: NDArray[np.float64], limit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Parts until a one-sided sum passes its limit though nothing has moved: Siegmund's
    approximation (Sequential Analysis, 1985; Montgomery, Statistical Quality Control, 9.1.2).

    slack and limit are in units of the part-to-part spread, of a normal distribution; where parts
    depend on the ones before, in units of the long-run spread, for which sums behave alike."""
    way = 2 * slack * (limit + _OVERSHOOT)
    return np.asarray((np.expm1(way) - way) / (2 * slack * slack), np.float64)


def limit_for(slack: NDArray[np.float64], run_length: float) -> NDArray[np.float64]:
    """The limit at which a false alarm comes once in run_length parts; units as above. slack > 0.

    Not below what 8 parts gather that moved by twice the slack: where slack is large against the
    spread the approximation has left its range, and one odd part must not be an alarm."""
    wanted = 2 * slack * slack * max(run_length, 1.0)
    way = np.log1p(wanted)
    for _ in range(_ROUNDS):  # way = log(1 + wanted + way), a contraction
        way = np.log1p(wanted + way)
    return np.asarray(np.maximum(way / (2 * slack) - _OVERSHOOT, _LEAST_PARTS * slack), np.float64)
