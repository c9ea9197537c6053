"""The section [output] of station.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, GpioName, check_kind, unit


class OutputConfig(ConfigSection):
    """The reject output, which drives the ejector, and the rejector process that controls it."""

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("chip", "line", "active_low", "drive"), "gpio"),
        "record": "simulated",
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line")}

    kind: Literal["simulated", "gpio"] = Field(
        default="simulated",
        title="Kind of output",
        description="simulated: no device is driven. gpio: a GPIO line is driven.",
    )
    safe_state: Literal["inactive", "active"] = Field(
        default="inactive",
        title="Safe state",
        description=(
            "The level of the output after the station has failed and the announced parts are gone."
        ),
    )
    realtime_priority: int = Field(
        default=50,
        ge=0,
        le=99,
        title="Real-time priority",
        description=(
            "The SCHED_FIFO priority of the rejector, 1 to 99. 0: none is requested. If the "
            "rejector has no right to it, it logs a warning and continues without it."
        ),
    )
    # Both send a message every 100 ms. On a loaded machine without real-time priority, one message
    # may be missing.
    silence_ms: int = Field(
        default=500,
        ge=200,
        le=10_000,
        title="Longest silence",
        description=(
            "Station and rejector exchange messages ten times a second. If the rejector receives "
            "none for this time, it takes the safe state once the announced parts are gone. "
            "If the station receives none, it replaces the rejector. With a value up to "
            "travel_ms, no part reaches the ejector undetected after the station has stopped."
        ),
        json_schema_extra=unit("ms"),
    )
    record: Path | None = Field(
        default=None,
        title="File of edges",
        description=(
            "A file to which the simulated output writes each edge as one line, "
            "`nanoseconds 0|1`. Without the key nothing is written."
        ),
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
        description="The line of the ejector, as for [trigger].",
    )
    active_low: bool = Field(
        default=False,
        title="Active at low level",
        description="true: the ejector is active at a low level of the line.",
    )
    drive: Literal["push-pull", "open-drain", "open-source"] = Field(
        default="push-pull",
        title="Drive of the line",
        description="The electrical drive of the line.",
    )

    @model_validator(mode="after")
    def _check_kind(self) -> OutputConfig:
        check_kind(self, self.kind)
        return self

    @field_validator("record", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value
