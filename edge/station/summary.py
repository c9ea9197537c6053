"""What a run of a station amounts to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.line.latency import Percentiles
from edge.line.outcome import Counters


@dataclass(frozen=True, slots=True)
class Summary:
    """Every part has one verdict: parts = passed + rejected + unknown.

    late and overload are among the unknown: no verdict within the budget; no room in a queue.
    ejected and missed are what the rejector reported; timing: start of the pulse minus due time.
    stages, each a duration: announce (photo-eye → rejector told), capture, wait (captured →
    inspector), inspect and its steps, verdict (photo-eye → verdict).
    causes: how many reports of the rejector had which cause, beside verdict and unknown.
    rejector: counters of the last rejector process, None where it did not end in order.
    refused: parts without a frame of their own, by Refusal. edges_lost: the photo-eye's edges that
    nobody read in time; the parts behind them were not inspected. pictures: kept and left out, by
    the reason. monitor: what was measured for drift, raised and proven, by name.
    """

    parts: int
    passed: int
    rejected: int
    unknown: int
    late: int
    overload: int
    bounces: int
    ejected: int
    missed: int
    rejector_restarts: int
    events_lost: int
    duration_s: float
    stages: Mapping[str, Percentiles]
    timing: Percentiles
    rejector: Counters | None
    refused: Mapping[str, int] = field(default_factory=dict)
    edges_lost: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)
    pictures: Mapping[str, int] = field(default_factory=dict)
    monitor: Mapping[str, int] = field(default_factory=dict)
