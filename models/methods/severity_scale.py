"""From a method's own score to severity, 0 to 12: one scale, whatever the score is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# The severity of the worst that good parts do; three times as bad is the top of the scale.
GOOD_SEVERITY = 4.0
# Of the good parts' peaks; the greatest where they are fewer than two hundred.
GOOD_SHARE = 0.995


def severity_unit(peaks: Sequence[float], share: float = GOOD_SHARE) -> float:
    """How much of a raw score one severity is: the share of good parts whose greatest raw score
    (``peaks``, one per part) does not pass it is at GOOD_SEVERITY.

    A percentile of good parts, after the second source's rule; what T is comes after it, from
    annotated defects or from a limit of false rejects. Raises ValueError without a part, or when
    no part scores above 0.
    """
    if not len(peaks):
        raise ValueError("no good part to take the scale of severity from")
    limit = float(np.quantile(np.asarray(peaks, np.float64), share, method="higher"))
    if not limit > 0.0:
        raise ValueError(f"good parts score {limit:g} at the most; expected something above 0")
    return limit / GOOD_SEVERITY
