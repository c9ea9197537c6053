"""The heartbeat and the time limit of one stage."""

from __future__ import annotations

from dataclasses import dataclass

from edge.clock import Clock


@dataclass(frozen=True, slots=True)
class StageLimits:
    """The times after which a stage without a heartbeat counts as hung."""

    stage_ns: int = 3_000_000_000
    """For trigger, camera, inspector, deadline and rejector. Longer than the longest capture or
    inspection that is only late."""

    journal_ns: int = 30_000_000_000
    """For the journal. Flash cards stall for seconds, and the queue holds a minute of events."""


class WatchedStage:
    """The time of the last heartbeat of one loop.

    Synchronization: the loop calls ``beat`` on its own thread at each iteration, with or without
    work. Any thread may read.
    """

    def __init__(self, name: str, *, limit_ns: int, clock: Clock) -> None:
        """limit_ns: the longest permitted time between two heartbeats. The first one is now."""
        self.name = name
        self.limit_ns = limit_ns
        self._clock = clock
        self._at_ns = clock.now_ns()

    def beat(self) -> None:
        """Record a heartbeat. Never blocks."""
        self._at_ns = self._clock.now_ns()

    def beat_at(self, at_ns: int) -> None:
        """Record a heartbeat at at_ns, for a stage in another process."""
        self._at_ns = at_ns

    def age_ns(self, now_ns: int) -> int:
        """Return the age of the last heartbeat."""
        return now_ns - self._at_ns
