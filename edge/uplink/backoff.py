"""The pauses between attempts to connect to the broker."""

from __future__ import annotations

import random

BASE_S = 0.5


class Backoff:
    """Exponential pauses with random jitter, so that stations do not all reconnect at once.

    The first pause is random between 0 and BASE_S. The n-th one is between half and all of
    BASE_S * 2**n, at most max_s. For one thread.
    """

    def __init__(self, max_s: float, generator: random.Random | None = None) -> None:
        """max_s: the longest pause. generator: the source of random numbers; None: a new one."""
        self._max_s = max_s
        self._random = generator or random.Random()
        self._tries = 0

    def next_s(self) -> float:
        """Return the next pause in seconds."""
        # 2**20 * BASE_S is six days, above every setting of max_s. The limit keeps the power small.
        top_s = min(self._max_s, BASE_S * 2 ** min(self._tries, 20))
        bottom_s = top_s / 2 if self._tries else 0.0
        self._tries += 1
        return self._random.uniform(bottom_s, top_s)

    def reset(self) -> None:
        """Begin with short pauses again, after a success."""
        self._tries = 0
