"""The estimate of long work before it starts, and of the time that is left while it runs.

A command states what it expects of each phase (``forecast``), and its code names the phases that it
enters (``phase``). The times of finished phases correct what is expected of the others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from models.training.device import usable_cores
from models.training.progress import STAGES, duration

log = logging.getLogger(__name__)

# Finished phases correct the others by this factor at most, in either direction.
MOST_CORRECTION = 4.0
LEAST_S = 5.0  # of finished phases, below which they correct nothing


class Forecast:
    """Expected seconds of phases, in their order, and how long finished ones took.

    Synchronization: one thread enters and leaves phases, another reads ``left_s``.
    """

    def __init__(
        self, expected_s: Mapping[str, float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._expected_s, self._clock = dict(expected_s), clock
        self._waiting = dict(expected_s)
        self._taken_s: dict[str, float] = {}
        self._current: tuple[str, float] | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Note the beginning and the end of a phase. One that is not expected counts nothing."""
        expected = self._waiting.pop(name, None)
        if expected is None or self._current is not None:
            yield
            return
        began_s = self._clock()
        self._current = name, began_s
        try:
            yield
        finally:
            self._taken_s[name] = self._clock() - began_s
            self._current = None

    def left_s(self, of_stage_s: float | None = None) -> float:
        """Return the expected seconds that are left of all phases.

        of_stage_s: what the current stage measures of itself, which is better than what was
        expected of the phase; None where it does not know.
        """
        factor = self._correction()
        left = factor * sum(self._waiting.values())
        current = self._current
        if current is not None:
            name, began_s = current
            expected = factor * self._expected_s[name] - (self._clock() - began_s)
            left += max(expected, 0.0) if of_stage_s is None else of_stage_s
        return left

    def words(self) -> str:
        """Return a line such as "about 8 min with 2 cores: detector 5 min, classifier 3 min"."""
        total = sum(self._expected_s.values())
        parts = ", ".join(f"{name} {duration(s)}" for name, s in self._expected_s.items())
        cores = usable_cores()
        return f"about {duration(total)} with {cores} core{'s' * (cores != 1)}: {parts}"

    def _correction(self) -> float:
        taken = sum(self._taken_s.values())
        expected = sum(self._expected_s[name] for name in self._taken_s)
        if taken < LEAST_S or expected < LEAST_S:
            return 1.0
        return min(max(taken / expected, 1 / MOST_CORRECTION), MOST_CORRECTION)


@contextmanager
def forecast(expected_s: Mapping[str, float]) -> Iterator[Forecast]:
    """Log the estimate, and use it for the lines of progress while inside.

    expected_s: seconds by phase, in their order; without one nothing is logged. A forecast inside
    another one has no effect: the outer one describes the whole work.
    """
    outer = STAGES.forecast
    if isinstance(outer, Forecast):
        yield outer
        return
    made = Forecast(expected_s)
    if not expected_s:
        yield made
        return
    log.info("estimate from a short trial on this machine: %s", made.words())
    STAGES.forecast = made
    try:
        yield made
    finally:
        STAGES.forecast = None


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Note a phase of the forecast in effect, if there is one."""
    current = STAGES.forecast
    if not isinstance(current, Forecast):
        yield
        return
    with current.phase(name):
        yield
