"""The section [encoder] of station.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from edge.config.section import (
    MAX_TRAVEL_COUNTS,
    Bias,
    ConfigSection,
    GpioName,
    check_kind,
    unit,
)


class EncoderConfig(ConfigSection):
    """The encoder at the belt. With it, the belt may change its speed, stop and move backwards."""

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("counts_per_s", "variation", "stops", "reversals", "survives"), "simulated"
        ),
        **dict.fromkeys(("chip", "line_a", "line_b", "active_low", "bias"), "gpio"),
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line_a")}

    kind: Literal["simulated", "gpio"] = Field(
        default="simulated",
        title="Kind of encoder",
        description=(
            "simulated: the encoder of the simulated belt. gpio: an encoder at GPIO lines, "
            "together with a photo-eye of kind gpio."
        ),
    )
    max_counts_per_s: int = Field(
        ge=1,
        le=1_000_000,
        title="Highest belt speed",
        description=(
            "The belt is never faster than this. The station checks line.budget_ms and "
            "line.min_spacing_counts against it."
        ),
        json_schema_extra=unit("counts per second"),
    )
    channels: Literal["quadrature", "single"] = Field(
        default="quadrature",
        title="Channels",
        description=(
            "quadrature: two channels, which show the direction. single: one channel, for a belt "
            "that never moves backwards; it cannot detect a reversal."
        ),
    )
    backlash_counts: int = Field(
        default=2,
        ge=1,
        le=MAX_TRAVEL_COUNTS,
        title="Backlash",
        description=(
            "A count that falls by less than this is no reversal: a belt that vibrates while it "
            "stands does not move backwards."
        ),
        json_schema_extra=unit("counts"),
    )
    silent_edges: int = Field(
        default=5,
        ge=0,
        le=1_000,
        title="Edges without a count",
        description=(
            "After this number of edges of the photo-eye without one count between them, the "
            "encoder has failed and the positions of all parts are lost. 0: no such check."
        ),
        json_schema_extra=unit("edges"),
    )
    purge_at_start: bool = Field(
        default=True,
        title="Purge the belt at the start",
        description=(
            "true: parts that are on the belt at the start are unknown. Where line.on_unknown is "
            "reject, the output is active for the whole travel and ejects them. false: the belt "
            "counts as empty at the start."
        ),
    )
    counts_per_s: int = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        title="Simulated speed",
        description="The mean speed of the simulated belt.",
        json_schema_extra=unit("counts per second"),
    )
    variation: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        title="Simulated variation of the speed",
        description=(
            "Every 0.5 to 1.5 s the simulated speed changes to a value that differs from "
            "counts_per_s by up to this share."
        ),
        json_schema_extra=unit("share"),
    )
    stops: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        title="Simulated stops",
        description=(
            "The share of the stretches of 0.5 to 1.5 s in which the simulated belt stands still."
        ),
        json_schema_extra=unit("share"),
    )
    reversals: float = Field(
        default=0.0,
        ge=0,
        le=0.4,
        title="Simulated reversals",
        description=(
            "The share of the stretches in which the simulated belt moves backwards, at up to 0.3 "
            "of its speed and for a third of a stretch."
        ),
        json_schema_extra=unit("share"),
    )
    survives: bool = Field(
        default=False,
        title="Count survives a restart",
        description=(
            "true: the count of the simulated encoder continues while no process reads it. false: "
            "it starts again with each rejector process, as at GPIO lines."
        ),
    )
    chip: str | None = Field(
        default=None,
        min_length=1,
        title="GPIO chip",
        description="The chip of the lines, as for [trigger].",
    )
    line_a: GpioName | None = Field(
        default=None,
        title="Line of channel A",
        description="The count grows while channel A leads channel B.",
    )
    line_b: GpioName | None = Field(
        default=None,
        title="Line of channel B",
        description=(
            "Required for quadrature, and an error for single. Exchange line_a and line_b if the "
            "count falls while the belt moves forwards."
        ),
    )
    active_low: bool = Field(
        default=False,
        title="Active at low level",
        description="true: a low level of a line is active.",
    )
    bias: Bias = Field(
        default="as-is",
        title="Bias of the lines",
        description="The pull resistor of the lines. as-is leaves it as it is.",
    )

    @model_validator(mode="after")
    def _check_kind(self) -> EncoderConfig:
        check_kind(self, self.kind)
        if self.kind == "gpio":
            if (self.channels == "quadrature") != (self.line_b is not None):
                raise ValueError("quadrature needs line_b, and single must not have it")
            return self
        fastest = self.counts_per_s * (1 + self.variation)
        if fastest > self.max_counts_per_s:
            raise ValueError(
                f"max_counts_per_s must be at least {fastest:g}, counts_per_s with its variation"
            )
        if self.channels == "single" and (self.reversals or self.survives):
            raise ValueError("channels = 'single' excludes reversals and survives")
        return self
