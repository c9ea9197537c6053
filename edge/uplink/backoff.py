"""How long to wait before trying again."""

from __future__ import annotations

import random

BASE_S = 0.5


class Backoff:
    """Exponential and jittered, so that a hall of stations does not return in one instant.

    The first delay is anywhere in 0 to BASE_S; the n-th one between half and all of
    BASE_S * 2**n, bounded by max_s.
    """

    def __init__(self, max_s: float, dice: random.Random | None = None) -> None:
        self._max_s = max_s
        self._dice = dice or random.Random()
        self._tries = 0

    def next_s(self) -> float:
        """Seconds to wait now."""
        # 2**20 * BASE_S is six days: no setting is above, and the power stays small.
        top_s = min(self._max_s, BASE_S * 2 ** min(self._tries, 20))
        bottom_s = top_s / 2 if self._tries else 0.0
        self._tries += 1
        return self._dice.uniform(bottom_s, top_s)

    def reset(self) -> None:
        """Something went well: begin with short delays again."""
        self._tries = 0
