"""The section [ejector_eye] of station.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from edge.config.section import (
    MAX_TRAVEL_COUNTS,
    MAX_TRAVEL_MS,
    Bias,
    ConfigSection,
    Edge,
    GpioName,
    check_kind,
    unit,
)


class EjectorEyeConfig(ConfigSection):
    """A second photo-eye shortly before the ejector.

    A part that it does not see was taken off the belt. A part that it sees, and that the first
    photo-eye did not report, is unannounced and counts as UNKNOWN. Give both distances in
    milliseconds or both in counts, as in [line].
    """

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("taken", "added"), "simulated"),
        **dict.fromkeys(("chip", "line", "active_low", "edge", "bias"), "gpio"),
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line")}

    kind: Literal["simulated", "gpio"] = Field(
        default="simulated",
        title="Kind of eye",
        description=(
            "simulated: an eye at the simulated belt. gpio: an eye at a GPIO line, together with a "
            "photo-eye of kind gpio."
        ),
    )
    to_ejector_ms: float | None = Field(
        default=None,
        ge=0.1,
        le=MAX_TRAVEL_MS,
        title="Time to the ejector",
        description="The time that a part needs from this eye to the ejector.",
        json_schema_extra=unit("ms"),
    )
    to_ejector_counts: int | None = Field(
        default=None,
        ge=1,
        le=MAX_TRAVEL_COUNTS,
        title="Distance to the ejector",
        description="The distance from this eye to the ejector, on a belt with an encoder.",
        json_schema_extra=unit("counts"),
    )
    tolerance_ms: float | None = Field(
        default=None,
        ge=0.01,
        le=MAX_TRAVEL_MS,
        title="Tolerance",
        description=(
            "The largest difference between the expected and the real arrival of a part at which "
            "it still counts as the announced part."
        ),
        json_schema_extra=unit("ms"),
    )
    tolerance_counts: int | None = Field(
        default=None,
        ge=0,
        le=MAX_TRAVEL_COUNTS,
        title="Tolerance in counts",
        description="The same on a belt with an encoder.",
        json_schema_extra=unit("counts"),
    )
    on_absent: Literal["eject", "pass"] = Field(
        default="eject",
        title="Absent parts",
        description=(
            "The action for a part that must be ejected and that this eye did not see. eject: the "
            "pulse is given, and has no effect if the part is gone. pass: there is no pulse, "
            "but after three absent parts in a row the eye counts as failed, and later parts are "
            "ejected as ordered."
        ),
    )
    taken: float = Field(
        default=0.0,
        ge=0,
        le=1,
        title="Parts taken off",
        description="The share of parts that are taken off the simulated belt before this eye.",
        json_schema_extra=unit("share"),
    )
    added: float = Field(
        default=0.0,
        ge=0,
        le=1,
        title="Parts put on",
        description="The share of parts that are put on the simulated belt before this eye.",
        json_schema_extra=unit("share"),
    )
    chip: str | None = Field(
        default=None,
        min_length=1,
        title="GPIO chip",
        description="The chip of the line, as for [trigger].",
    )
    line: GpioName | None = Field(
        default=None,
        title="GPIO line",
        description="The line of the eye, as for [trigger].",
    )
    active_low: bool = Field(
        default=False,
        title="Active at low level",
        description="true: a low level of the line is active.",
    )
    edge: Edge = Field(
        default="rising",
        title="Edge of a part",
        description="rising: the edge towards active reports a part. falling: the other edge.",
    )
    bias: Bias = Field(
        default="as-is",
        title="Bias of the line",
        description="The pull resistor of the line. as-is leaves it as it is.",
    )

    @model_validator(mode="after")
    def _check_kind(self) -> EjectorEyeConfig:
        check_kind(self, self.kind)
        by_time = self.to_ejector_ms, self.tolerance_ms
        by_counts = self.to_ejector_counts, self.tolerance_counts
        for given, others in ((by_time, by_counts), (by_counts, by_time)):
            if None not in given and others == (None, None):
                if self.tolerance > self.to_ejector:
                    raise ValueError("the tolerance must not exceed the distance to the ejector")
                return self
        raise ValueError(
            "expected to_ejector_ms and tolerance_ms, or to_ejector_counts and tolerance_counts"
        )

    @property
    def by_counts(self) -> bool:
        """Return whether the distances are in encoder counts."""
        return self.to_ejector_counts is not None

    @property
    def to_ejector(self) -> int:
        """Return the distance to the ejector in counts, or in nanoseconds."""
        return self.to_ejector_counts or round((self.to_ejector_ms or 0) * 1e6)

    @property
    def tolerance(self) -> int:
        """Return the tolerance in counts, or in nanoseconds."""
        return self.tolerance_counts or round((self.tolerance_ms or 0) * 1e6)
