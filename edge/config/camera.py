"""The section [camera] of station.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import Section, check_kind

_ColourGain = Annotated[float, Field(gt=0, le=100)]
_LIVE = "pi v4l2 stream"
_FORMATS = {"pi": ("bgr", "grey"), "v4l2": ("grey", "yuyv", "mjpeg")}


class CameraConfig(Section):
    """Where frames come from.

    files: every image below ``path``, in sorted order; video: every frame of the file ``path``.
    ``loop`` starts again at the end instead of ending the run. pi: a camera of a Raspberry Pi;
    v4l2: a camera of the Linux kernel, most with USB; stream: RTSP or HTTP. Keys of another kind
    are refused; what they mean says firmware-config/station.toml.
    """

    only: ClassVar[Mapping[str, str]] = {
        "path": "files video",
        "loop": "files video",
        "device": "v4l2",
        "index": "pi",
        "url": "stream",
        "width": "pi v4l2",
        "height": "pi v4l2",
        "pixel_format": "pi v4l2",
        "rate_hz": "pi v4l2",
        "exposure_us": "pi v4l2",
        "gain": "pi v4l2",
        "colour_gains": "pi",
        "triggered": "pi v4l2",
        "latency_ms": "v4l2 stream",
        "least_latency_ms": "stream",
        "early_ms": _LIVE,
        "exposed_within_ms": _LIVE,
        "timeout_ms": _LIVE,
        "retry_max_s": _LIVE,
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "files": ("path",),
        "video": ("path",),
        "pi": ("width", "height"),
        "v4l2": ("device", "width", "height"),
        "stream": ("url", "latency_ms"),
    }

    kind: Literal["files", "video", "pi", "v4l2", "stream"]
    path: Path | None = None
    loop: bool = False
    device: Path | None = None
    index: int = Field(default=0, ge=0, le=15)
    url: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9+.-]*://\S+$")
    width: int | None = Field(default=None, ge=16, le=16384)
    height: int | None = Field(default=None, ge=16, le=16384)
    pixel_format: Literal["grey", "yuyv", "mjpeg", "bgr"] | None = None
    rate_hz: float | None = Field(default=None, ge=0.001, le=1000)
    exposure_us: int | None = Field(default=None, ge=1, le=10_000_000)
    gain: float | None = Field(default=None, ge=0, le=100_000)
    colour_gains: tuple[_ColourGain, _ColourGain] = (1.0, 1.0)
    triggered: bool = False
    latency_ms: float | None = Field(default=None, ge=0, le=60_000)
    least_latency_ms: float = Field(default=0.0, ge=0, le=60_000)
    early_ms: float = Field(default=0.0, ge=0, le=100)
    exposed_within_ms: float | None = Field(default=None, ge=0.1, le=60_000)
    timeout_ms: float = Field(default=1000.0, ge=10, le=60_000)
    retry_max_s: float = Field(default=5.0, ge=0.01, le=3600)

    @field_validator("path", "device", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("colour_gains", mode="before")
    @classmethod
    def _pair(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _of_kind(self) -> CameraConfig:
        check_kind(self, self.kind)
        formats = _FORMATS.get(self.kind, ())
        if self.pixel_format is not None and self.pixel_format not in formats:
            known = " or ".join(formats)
            raise ValueError(
                f"pixel_format {self.pixel_format} is not of kind {self.kind}: {known}"
            )
        if self.latency_ms is not None and self.least_latency_ms > self.latency_ms:
            raise ValueError("least_latency_ms is above latency_ms, the longest")
        if self.kind == "pi" and (self.exposure_us is None) != (self.gain is None):
            raise ValueError("of kind pi, exposure_us and gain come together")
        return self

    @property
    def live(self) -> bool:
        """Whether it is a sensor, of which no two pictures are the same."""
        return self.kind in _LIVE.split()

    @property
    def frame_bytes(self) -> int:
        """Of one frame's pixels; 0 where the file does not say."""
        if self.width is None or self.height is None:
            return 0
        return self.width * self.height * (1 if self.pixel_format == "grey" else 3)

    @property
    def early_ns(self) -> int:
        return round(self.early_ms * 1e6)

    @property
    def within_ns(self) -> int | None:
        return None if self.exposed_within_ms is None else round(self.exposed_within_ms * 1e6)
