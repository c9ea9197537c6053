"""The section [camera] of station.toml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from edge.config.section import ConfigSection, check_kind, unit

_ColourGain = Annotated[float, Field(gt=0, le=100)]
_LIVE = "pi v4l2 stream"
_FORMATS = {"pi": ("bgr", "grey"), "v4l2": ("grey", "yuyv", "mjpeg")}


class CameraConfig(ConfigSection):
    """The source of the frames: a folder of pictures, a video file, a camera or a network stream.

    A key that belongs to another kind of source is an error.
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

    kind: Literal["files", "video", "pi", "v4l2", "stream"] = Field(
        title="Kind of source",
        description=(
            "files: every picture below path, sorted by name. video: every frame of the file path. "
            "pi: a camera of a Raspberry Pi, through picamera2. v4l2: a camera of the Linux "
            "kernel, which includes most USB cameras. stream: RTSP, or JPEG pictures over HTTP."
        ),
    )
    path: Path | None = Field(
        default=None,
        title="Folder or video file",
        description="The folder with the pictures, or the video file.",
    )
    loop: bool = Field(
        default=False,
        title="Repeat the pictures",
        description=(
            "true: start again after the last picture. false: the run ends after the last picture."
        ),
    )
    device: Path | None = Field(
        default=None,
        title="Device file",
        description=(
            "The device file of the camera. A name below /dev/v4l/by-id stays the same when "
            "other cameras are connected."
        ),
    )
    index: int = Field(
        default=0,
        ge=0,
        le=15,
        title="Number of the camera",
        description="The number of the camera as `rpicam-hello --list-cameras` prints it.",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^[a-z][a-z0-9+.-]*://\S+$",
        title="Address of the stream",
        description=(
            "An address that starts with rtsp:// or http://. A user name and password in it "
            "are never written to the log."
        ),
    )
    width: int | None = Field(
        default=None,
        ge=16,
        le=16384,
        title="Width of a frame",
        description="The camera must deliver exactly this width, otherwise it is not used.",
        json_schema_extra=unit("pixels"),
    )
    height: int | None = Field(
        default=None,
        ge=16,
        le=16384,
        title="Height of a frame",
        description="The camera must deliver exactly this height, otherwise it is not used.",
        json_schema_extra=unit("pixels"),
    )
    pixel_format: Literal["grey", "yuyv", "mjpeg", "bgr"] | None = Field(
        default=None,
        title="Pixel format",
        description=(
            "pi: bgr or grey; without the key bgr. v4l2: yuyv, grey or mjpeg; without the key yuyv."
        ),
    )
    rate_hz: float | None = Field(
        default=None,
        ge=0.001,
        le=1000,
        title="Frame rate",
        description="Without the key the camera keeps its own rate; pi then uses 30 Hz.",
        json_schema_extra=unit("Hz"),
    )
    exposure_us: int | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        title="Exposure time",
        description=(
            "A fixed exposure time. Without the key the camera chooses one, and the severity of a "
            "part then depends on the scene before it. pi: set exposure_us and gain, or neither. "
            "v4l2: steps of 100 µs."
        ),
        json_schema_extra=unit("µs"),
    )
    gain: float | None = Field(
        default=None,
        ge=0,
        le=100_000,
        title="Gain of the sensor",
        description="A fixed gain. Without the key the camera chooses one.",
        json_schema_extra=unit("factor; for v4l2 the steps of the driver"),
    )
    colour_gains: tuple[_ColourGain, _ColourGain] = Field(
        default=(1.0, 1.0),
        title="Gains of red and blue",
        description="The gains relative to green. White balance is never automatic.",
        json_schema_extra=unit("factor"),
    )
    triggered: bool = Field(
        default=False,
        title="Trigger input of the camera",
        description=(
            "true: a pulse at the trigger input of the camera exposes each frame, for instance a "
            "pulse from the photo-eye. false: the camera runs at a fixed rate."
        ),
    )
    latency_ms: float | None = Field(
        default=None,
        ge=0,
        le=60_000,
        title="Longest latency",
        description=(
            "stream: the longest time from the exposure of a frame to its arrival when nothing "
            "delays it. Measure it, because the station cannot detect a delay that all frames "
            "have. A frame that arrives later than the rate of the camera allows counts as older "
            "by that time. v4l2: the time from the start of the exposure to the time stamp of the "
            "frame. Without the key it is 0 for drivers that stamp the start of the exposure, "
            "and the time of one frame for others."
        ),
        json_schema_extra=unit("ms"),
    )
    least_latency_ms: float = Field(
        default=0.0,
        ge=0,
        le=60_000,
        title="Shortest latency",
        description=(
            "The shortest time from the exposure of a frame to its arrival. A frame is refused if "
            "it may have been exposed after the next part's trigger. The closer this value is to "
            "latency_ms, the closer together parts may be."
        ),
        json_schema_extra=unit("ms"),
    )
    early_ms: float = Field(
        default=0.0,
        ge=0,
        le=100,
        title="Tolerance before the trigger",
        description=(
            "The time by which a frame's exposure may appear to start before the time stamp of the "
            "photo-eye. Use a value above 0 only where the same pulse triggers the camera: then "
            "both time stamps belong to one moment."
        ),
        json_schema_extra=unit("ms"),
    )
    exposed_within_ms: float | None = Field(
        default=None,
        ge=0.1,
        le=60_000,
        title="Latest exposure after the trigger",
        description=(
            "A frame that was exposed later than this after its trigger is refused, because the "
            "part has left the field of view. Without the key, the limits are the next part's "
            "trigger and line.budget_ms."
        ),
        json_schema_extra=unit("ms"),
    )
    timeout_ms: float = Field(
        default=1000.0,
        ge=10,
        le=60_000,
        title="Longest wait for a frame",
        description=(
            "If no frame arrives in this time, the station treats the camera as lost. With a "
            "camera that is triggered, only this part has no frame."
        ),
        json_schema_extra=unit("ms"),
    )
    retry_max_s: float = Field(
        default=5.0,
        ge=0.01,
        le=3600,
        title="Longest pause between two attempts",
        description=(
            "The longest pause between two attempts to open a lost camera. Parts are UNKNOWN until "
            "an attempt succeeds."
        ),
        json_schema_extra=unit("s"),
    )

    @field_validator("path", "device", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @field_validator("colour_gains", mode="before")
    @classmethod
    def _pair(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _check_kind(self) -> CameraConfig:
        check_kind(self, self.kind)
        formats = _FORMATS.get(self.kind, ())
        if self.pixel_format is not None and self.pixel_format not in formats:
            known = " or ".join(formats)
            raise ValueError(
                f"pixel_format {self.pixel_format} is not of kind {self.kind}: {known}"
            )
        if self.latency_ms is not None and self.least_latency_ms > self.latency_ms:
            raise ValueError("least_latency_ms must not be above latency_ms")
        if self.kind == "pi" and (self.exposure_us is None) != (self.gain is None):
            raise ValueError("kind pi needs both exposure_us and gain, or neither")
        return self

    @property
    def live(self) -> bool:
        """Return whether the source is a camera or a stream: no two frames are the same."""
        return self.kind in _LIVE.split()

    @property
    def frame_bytes(self) -> int:
        """Return the size of a frame's pixels in bytes; 0 where width and height are not given."""
        if self.width is None or self.height is None:
            return 0
        return self.width * self.height * (1 if self.pixel_format == "grey" else 3)

    @property
    def early_ns(self) -> int:
        """Return ``early_ms`` in nanoseconds."""
        return round(self.early_ms * 1e6)

    @property
    def within_ns(self) -> int | None:
        """Return ``exposed_within_ms`` in nanoseconds; None without a limit."""
        return None if self.exposed_within_ms is None else round(self.exposed_within_ms * 1e6)
