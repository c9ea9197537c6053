"""The summary of a run of a station."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.line.latency import Percentiles
from edge.line.outcome import Counters


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts and durations of a run.

    Every part has one verdict: parts = passed + rejected + unknown.
    """

    parts: int
    passed: int
    rejected: int
    unknown: int
    late: int
    """Of the unknown: no verdict within the budget."""

    overload: int
    """Of the unknown: the part found a queue full."""

    bounces: int
    ejected: int
    """Ejected parts, as the rejector reported them."""

    missed: int
    """Missed parts, as the rejector reported them."""

    rejector_restarts: int
    events_lost: int
    duration_s: float
    stages: Mapping[str, Percentiles]
    """Durations by stage: announce (trigger → sent to the rejector), capture, wait (captured →
    inspector), inspect and its steps, verdict (trigger → verdict)."""

    timing: Percentiles
    """The start of each pulse minus its due time."""

    rejector: Counters | None
    """The counters of the last rejector process; None: it did not end in order."""

    refused: Mapping[str, int] = field(default_factory=dict)
    """Parts without a frame for inspection, by ``Refusal``."""

    edges_lost: int = 0
    """Edges of the photo-eye that were not read in time. Their parts were not inspected."""

    causes: Mapping[str, int] = field(default_factory=dict)
    """Reports of the rejector by cause, without "verdict" and "unknown"."""

    pictures: Mapping[str, int] = field(default_factory=dict)
    """Stored and skipped pictures, by the reason."""

    monitor: Mapping[str, int] = field(default_factory=dict)
    """Drift measurements, drifts and self-tests, by name."""
