"""A part on the belt, and how edges of the photo-eye become parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineTiming:
    """The times of a line, in nanoseconds."""

    travel_ns: int | None
    """The time from the photo-eye to the ejector; None: the travel is given in encoder counts."""

    budget_ns: int
    """A part without a verdict this long after its trigger is UNKNOWN."""

    debounce_ns: int = 0
    """An edge this soon after an accepted edge is a bounce."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part on the belt. All times are CLOCK_MONOTONIC in nanoseconds."""

    part_id: int
    triggered_ns: int
    """The edge of the photo-eye."""
    deadline_ns: int
    """The end of the budget for its verdict."""
    due_ns: int | None
    """The time at the ejector; None: it is tracked by encoder counts."""


class PartTracker:
    """Makes parts from edges: numbers them from ``first_part_id`` and drops bounces. One thread.

    A part that the photo-eye does not see is not known here. Only the count of parts shows it.
    """

    def __init__(self, timing: LineTiming, *, first_part_id: int = 1) -> None:
        self.bounces = 0
        self._timing = timing
        self._next_id = first_part_id
        self._last_ns: int | None = None

    def part(self, at_ns: int) -> Part | None:
        """Return the part that an edge begins. None: a bounce, or a time before the last edge."""
        timing = self._timing
        if self._last_ns is not None and at_ns - self._last_ns < max(1, timing.debounce_ns):
            self.bounces += 1
            return None
        self._last_ns = at_ns
        part_id = self._next_id
        self._next_id += 1
        due_ns = None if timing.travel_ns is None else at_ns + timing.travel_ns
        return Part(part_id, at_ns, at_ns + timing.budget_ns, due_ns)
