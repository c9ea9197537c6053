"""A part, from the photo-eye to the ejector."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineTiming:
    """What the line is like. All nanoseconds.

    travel_ns: from the photo-eye to the ejector; None: encoder counts say so. budget_ns: a verdict
    later than this after the trigger is UNKNOWN. debounce_ns: an edge this soon after an accepted
    one is a bounce.
    """

    travel_ns: int | None
    budget_ns: int
    debounce_ns: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One part. CLOCK_MONOTONIC: seen by the photo-eye, verdict wanted by, at the ejector.

    due_ns: None where it meets the ejector after encoder counts.
    """

    part_id: int
    triggered_ns: int
    deadline_ns: int
    due_ns: int | None


class PartTracker:
    """Makes parts of edges: numbers them from ``first_part_id`` and drops bounces. One thread.

    A part that the photo-eye does not see cannot be known here; what shows it is the count.
    """

    def __init__(self, timing: LineTiming, *, first_part_id: int = 1) -> None:
        self.bounces = 0
        self._timing = timing
        self._next_id = first_part_id
        self._last_ns: int | None = None

    def part(self, at_ns: int) -> Part | None:
        """The part that this edge begins, or None for a bounce or a stamp that goes backwards."""
        timing = self._timing
        if self._last_ns is not None and at_ns - self._last_ns < max(1, timing.debounce_ns):
            self.bounces += 1
            return None
        self._last_ns = at_ns
        part_id = self._next_id
        self._next_id += 1
        due_ns = None if timing.travel_ns is None else at_ns + timing.travel_ns
        return Part(part_id, at_ns, at_ns + timing.budget_ns, due_ns)
