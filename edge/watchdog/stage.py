"""One loop that has to come round."""

from __future__ import annotations

from dataclasses import dataclass

from edge.clock import Clock


@dataclass(frozen=True, slots=True)
class StageLimits:
    """How long a stage may be under way before it counts as hung.

    stage_ns: of trigger, camera, inspector, deadline and rejector: longer than the longest capture
    or inspection that is merely late. journal_ns: of the journal: flash cards stall for seconds,
    and its queue holds a minute of events.
    """

    stage_ns: int = 3_000_000_000
    journal_ns: int = 30_000_000_000


class WatchedStage:
    """When a loop last came round. The loop itself beats, from its own thread and nowhere else: at
    each turn, whether it had something to do or waited in vain. Any thread may read."""

    def __init__(self, name: str, *, bound_ns: int, clock: Clock) -> None:
        """bound_ns: how long one turn may take. The first turn begins now."""
        self.name = name
        self.bound_ns = bound_ns
        self._clock = clock
        self._at_ns = clock.now_ns()

    def beat(self) -> None:
        """The loop has come round. Never blocks."""
        self._at_ns = self._clock.now_ns()

    def beat_at(self, at_ns: int) -> None:
        """The same for a stage in another process, which came round at at_ns."""
        self._at_ns = at_ns

    def silent_ns(self, now_ns: int) -> int:
        """How long ago that was."""
        return now_ns - self._at_ns
