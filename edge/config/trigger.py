"""The section [trigger] of station.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from edge.config.section import Bias, ConfigSection, Edge, GpioName, check_kind, unit


class TriggerConfig(ConfigSection):
    """The photo-eye that reports each part: a simulated belt, or a GPIO line."""

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("rate_hz", "jitter", "parts", "seed", "ejector_at"), "belt"),
        **dict.fromkeys(("chip", "line", "active_low", "edge", "bias", "debounce_us"), "gpio"),
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line")}

    kind: Literal["belt", "gpio"] = Field(
        default="belt",
        title="Kind of photo-eye",
        description="belt: a simulated belt with a photo-eye. gpio: a photo-eye at a GPIO line.",
    )
    rate_hz: float = Field(
        default=10.0,
        ge=0.001,
        le=1000,
        title="Simulated rate",
        description="The number of parts per second on the simulated belt.",
        json_schema_extra=unit("parts per second"),
    )
    jitter: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        title="Simulated jitter",
        description="Each gap between two parts is longer or shorter by up to this share.",
        json_schema_extra=unit("share"),
    )
    parts: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000_000,
        title="Number of parts",
        description=(
            "The run ends after this number of parts. Without the key the belt runs until the "
            "station is stopped."
        ),
        json_schema_extra=unit("parts"),
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**32 - 1,
        title="Seed",
        description="The same seed gives the same gaps between parts.",
    )
    ejector_at: float | None = Field(
        default=None,
        ge=0.1,
        le=10_000_000,
        title="True travel of the simulated belt",
        description=(
            "The true distance to the ejector, to try the effect of a travel that was measured "
            "wrong. Without the key it is the travel in [line]."
        ),
        json_schema_extra=unit("ms, or counts with an encoder"),
    )
    chip: str | None = Field(
        default=None,
        min_length=1,
        title="GPIO chip",
        description=(
            "The label of the chip as `gpiodetect` prints it, or its path. Labels: pinctrl-bcm2711 "
            "(Raspberry Pi 4), pinctrl-rp1 (Raspberry Pi 5), tegra234-gpio (Jetson Orin)."
        ),
    )
    line: GpioName | None = Field(
        default=None,
        title="GPIO line",
        description="The number or name of the line as `gpioinfo` prints it.",
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
    debounce_us: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        title="Debounce in the kernel",
        description=(
            "The kernel reports only levels that were stable for this time. It stamps the end of "
            "that time, rounded up to its timer tick, so that every eject is later by this time. "
            "line.debounce_ms causes no such delay."
        ),
        json_schema_extra=unit("µs"),
    )

    @model_validator(mode="after")
    def _check_kind(self) -> TriggerConfig:
        check_kind(self, self.kind)
        return self
