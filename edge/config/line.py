"""The section [line] of station.toml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from edge.config.section import MAX_TRAVEL_COUNTS, MAX_TRAVEL_MS, ConfigSection, unit


class LineConfig(ConfigSection):
    """The belt from the photo-eye to the ejector, and the decisions for parts without a verdict.

    Measure the travel: every ejector pulse depends on it. Give it in milliseconds for a belt of
    constant speed, and in encoder counts for any other belt.
    """

    travel_ms: float | None = Field(
        default=None,
        ge=0.1,
        le=MAX_TRAVEL_MS,
        title="Travel time",
        description=(
            "The time that a part needs from the photo-eye to the ejector. Required on a belt "
            "without an encoder."
        ),
        json_schema_extra=unit("ms"),
    )
    travel_counts: int | None = Field(
        default=None,
        ge=1,
        le=MAX_TRAVEL_COUNTS,
        title="Travel in counts",
        description=(
            "The distance from the photo-eye to the ejector in encoder counts. Required on a belt "
            "with an encoder."
        ),
        json_schema_extra=unit("counts"),
    )
    budget_ms: float = Field(
        ge=0.1,
        le=MAX_TRAVEL_MS,
        title="Time budget of a verdict",
        description=(
            "A part whose verdict is later than this after the edge of the photo-eye is UNKNOWN. "
            "The value must be below travel_ms or, with an encoder, below the time of the travel "
            "at encoder.max_counts_per_s."
        ),
        json_schema_extra=unit("ms"),
    )
    # The fastest valves open in 0.5 ms. A rejector with real-time priority is up to 0.1 ms late.
    pulse_ms: float = Field(
        default=20.0,
        ge=0.1,
        le=60_000,
        title="Length of the ejector pulse",
        description=(
            "The time in which the output is active for one part. It must be shorter than the gap "
            "between two parts."
        ),
        json_schema_extra=unit("ms"),
    )
    debounce_ms: float = Field(
        default=2.0,
        ge=0,
        le=60_000,
        title="Debounce time",
        description=(
            "An edge of the photo-eye this soon after the edge of a part is a bounce. For a part "
            "with holes, use the time that the whole part needs to pass."
        ),
        json_schema_extra=unit("ms"),
    )
    debounce_counts: int = Field(
        default=1,
        ge=1,
        le=MAX_TRAVEL_COUNTS,
        title="Debounce distance",
        description=(
            "On a belt with an encoder: an edge of the photo-eye this near to the edge of a part "
            "is a bounce. For a part with holes, use the length of the part."
        ),
        json_schema_extra=unit("counts"),
    )
    min_spacing_ms: float | None = Field(
        default=None,
        ge=0,
        le=MAX_TRAVEL_MS,
        title="Minimum spacing of parts",
        description=(
            "Parts that follow one another faster than this are crowded: the ejector cannot "
            "separate them. Without the key the value is pulse_ms."
        ),
        json_schema_extra=unit("ms"),
    )
    min_spacing_counts: int | None = Field(
        default=None,
        ge=0,
        le=MAX_TRAVEL_COUNTS,
        title="Minimum spacing of parts in counts",
        description=(
            "The same on a belt with an encoder. Without the key it is the distance that the belt "
            "moves in pulse_ms at encoder.max_counts_per_s."
        ),
        json_schema_extra=unit("counts"),
    )
    on_crowded: Literal["reject", "each"] = Field(
        default="reject",
        title="Decision for crowded parts",
        description=(
            "reject: if one of two crowded parts must be ejected, both are. each: each part "
            "follows its own verdict, and the pulse for one may touch the other."
        ),
    )
    on_unknown: Literal["reject", "pass"] = Field(
        default="reject",
        title="Decision for UNKNOWN parts",
        description="The action of the ejector for a part that has no verdict in time.",
    )
    purge_at_start: bool = Field(
        default=True,
        title="Purge the belt at the start",
        description=(
            "true: parts that are on the belt at the start are unknown. Where on_unknown is "
            "reject, the output is active for travel_ms and ejects them. false: the belt counts as "
            "empty at the start. On a belt with an encoder, the key of [encoder] applies instead."
        ),
    )
    require_commission: bool = Field(
        default=False,
        title="Commissioning required",
        description=(
            "true: `outfeed run` starts only if `outfeed commission` gave GO for this "
            "configuration, bundle and machine, and at no higher speed. false: a "
            "commissioning that does not apply is only a warning in the log."
        ),
    )

    @field_validator("budget_ms")
    @classmethod
    def _below_travel(cls, value: float, info: ValidationInfo) -> float:
        travel_ms = info.data.get("travel_ms")
        if travel_ms is not None and value >= travel_ms:
            raise ValueError(
                f"must be below travel_ms ({travel_ms:g}): a later verdict cannot eject the part"
            )
        return value

    @model_validator(mode="after")
    def _check_units(self) -> LineConfig:
        if (self.travel_ms is None) == (self.travel_counts is None):
            raise ValueError("expected travel_ms, or travel_counts where there is an encoder")
        if self.min_spacing_ms is not None:
            if self.travel_ms is None:
                raise ValueError("min_spacing_ms is for travel_ms: give min_spacing_counts")
            if self.on_crowded == "reject" and self.min_spacing_ms < self.pulse_ms:
                raise ValueError(f"min_spacing_ms must be at least pulse_ms ({self.pulse_ms:g})")
        if "purge_at_start" in self.model_fields_set and self.travel_ms is None:
            raise ValueError("purge_at_start is for travel_ms: give it in [encoder]")
        if self.min_spacing_counts is not None and self.travel_counts is None:
            raise ValueError("min_spacing_counts is for travel_counts: give min_spacing_ms")
        return self

    @property
    def travel_ns(self) -> int | None:
        """Return ``travel_ms`` in nanoseconds; None on a belt with an encoder."""
        return None if self.travel_ms is None else round(self.travel_ms * 1e6)

    @property
    def budget_ns(self) -> int:
        """Return ``budget_ms`` in nanoseconds."""
        return round(self.budget_ms * 1e6)

    @property
    def debounce_ns(self) -> int:
        """Return ``debounce_ms`` in nanoseconds."""
        return round(self.debounce_ms * 1e6)

    @property
    def pulse_us(self) -> int:
        """Return ``pulse_ms`` in microseconds."""
        return round(self.pulse_ms * 1e3)
