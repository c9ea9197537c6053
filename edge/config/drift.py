"""The section [drift] of station.toml."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator

from edge.config.section import Section

DriftMeasure = Literal["exposure", "focus", "lighting", "dirt", "position", "score"]
_BATCHES = 40  # a baseline is learned in so many batches (edge/drift/learner.py)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class DriftConfig(Section):
    """Whether the pictures are still what the bundle was trained on, and whether the chain still
    sees.

    every: one part in so many is measured. measures: which. learn_parts: measured parts that passed
    from which the station learns what is usual, a multiple of 40. false_alarms_per_month: of all
    measures together where nothing drifts. parts_per_month: that the line makes; None: as many as
    it would make at the rate seen while learning. on_drift: what becomes of a good part while a
    severe drift lasts. self_test_interval_s: between two golden frames through the chain; 0: never.
    on_self_test_failure: what becomes of a good part after one was not reproduced, until the next
    start.
    """

    enabled: bool = True
    every: int = Field(default=5, ge=1, le=100_000)
    measures: Annotated[tuple[DriftMeasure, ...], BeforeValidator(_tuple)] = Field(
        default=get_args(DriftMeasure), min_length=1
    )
    learn_parts: int = Field(default=1000, ge=200, le=1_000_000, multiple_of=_BATCHES)
    false_alarms_per_month: float = Field(default=1.0, ge=0.001, le=1000)
    parts_per_month: int | None = Field(default=None, ge=1, le=10_000_000_000)
    on_drift: Literal["report", "unknown"] = "report"
    self_test_interval_s: float = Field(default=600.0, ge=0, le=86_400)
    on_self_test_failure: Literal["unknown", "report"] = "unknown"

    @field_validator("measures")
    @classmethod
    def _once(cls, value: tuple[DriftMeasure, ...]) -> tuple[DriftMeasure, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a measure twice")
        return value

    @property
    def self_test_interval_ns(self) -> int:
        return round(self.self_test_interval_s * 1e9)
