"""The section [drift] of station.toml."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator

from edge.config.section import ConfigSection, unit

DriftMeasure = Literal["exposure", "focus", "lighting", "dirt", "position", "score"]
_BATCHES = 40  # the baseline is learned in this many batches (edge/drift/learner.py)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class DriftConfig(ConfigSection):
    """The monitoring of drift, and the self-tests with golden frames.

    Drift means that pictures are no longer like those that the bundle was trained on. A self-test
    checks that the chain still gives the results that the bundle states.
    """

    enabled: bool = Field(
        default=True,
        title="Drift monitoring",
        description="false: no drift is measured. Self-tests run all the same.",
    )
    every: int = Field(
        default=5,
        ge=1,
        le=100_000,
        title="Measured parts",
        description=(
            "One part in this number is measured, after its verdict. It takes 1 ms of a core for a "
            "frame of 640×480, and 4 ms for 2048×1536."
        ),
        json_schema_extra=unit("parts"),
    )
    measures: Annotated[tuple[DriftMeasure, ...], BeforeValidator(_tuple)] = Field(
        default=get_args(DriftMeasure),
        min_length=1,
        title="Drift measures",
        description=(
            "The measures to monitor. position has an effect only where parts lie alike; the "
            "station finds this out."
        ),
    )
    learn_parts: int = Field(
        default=1000,
        ge=200,
        le=1_000_000,
        multiple_of=_BATCHES,
        title="Parts of the baseline",
        description=(
            "The number of measured parts that passed from which the station learns its baseline, "
            "once. After a change of lamp, lens or part holder, remove drift.json from state_dir "
            "or commission again."
        ),
        json_schema_extra=unit("parts"),
    )
    false_alarms_per_month: float = Field(
        default=1.0,
        ge=0.001,
        le=1000,
        title="False-alarm rate",
        description=(
            "The mean number of alarms, of all measures together, in a month in which nothing "
            "drifts. With fewer false alarms, real drift is detected later."
        ),
        json_schema_extra=unit("alarms per month"),
    )
    parts_per_month: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000_000,
        title="Parts per month",
        description=(
            "The number of parts that the line makes in a month. Without the key it follows from "
            "the rate during the learning of the baseline, for 24 hours a day."
        ),
        json_schema_extra=unit("parts per month"),
    )
    on_drift: Literal["report", "unknown"] = Field(
        default="report",
        title="Good parts during severe drift",
        description=(
            "report: the station reports the drift, and good parts pass. unknown: good parts "
            "become UNKNOWN while a severe drift lasts, and follow line.on_unknown."
        ),
    )
    self_test_interval_s: float = Field(
        default=600.0,
        ge=0,
        le=86_400,
        title="Interval of self-tests",
        description=(
            "The time between two self-tests. A self-test runs a golden frame of the bundle "
            "through the live chain while no part is in progress. The chain must reproduce its "
            "result. 0: no self-tests after the start."
        ),
        json_schema_extra=unit("s"),
    )
    on_self_test_failure: Literal["unknown", "report"] = Field(
        default="unknown",
        title="Good parts after a failed self-test",
        description=(
            "unknown: good parts become UNKNOWN until the next start, and follow line.on_unknown. "
            "report: the failure is only reported. A part that passed although a user marked it "
            "self-test, as a part known to be defective, also counts as a failed self-test."
        ),
    )

    @field_validator("measures")
    @classmethod
    def _once(cls, value: tuple[DriftMeasure, ...]) -> tuple[DriftMeasure, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a measure twice")
        return value

    @property
    def self_test_interval_ns(self) -> int:
        """Return ``self_test_interval_s`` in nanoseconds."""
        return round(self.self_test_interval_s * 1e9)
