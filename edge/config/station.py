"""station.toml → frozen models. An unknown key, wrong type or missing file is one clear line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from edge.config.camera import CameraConfig
from edge.config.drift import DriftConfig
from edge.config.line import EjectorEyeConfig, EncoderConfig, LineConfig
from edge.config.paths import StatePaths
from edge.config.pictures import PicturesConfig
from edge.config.section import GpioName, Section, check_kind
from edge.config.trust import TrustConfig
from edge.config.uplink import JournalConfig, UplinkConfig
from edge.errors import ConfigError
from edge.validation_messages import describe, one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A station's name is a level of every topic: no separators, no wildcards (MQTT 5, section 4.7).
StationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


_AnySection = TypeVar("_AnySection", bound=Section)


class EngineConfig(Section):
    """Which inference engine, and how many cores it may use.

    auto: what ``outfeed bench --select`` found to be the fastest here, else ONNX Runtime. threads:
    None leaves it to that too, else 1. providers: ONNX Runtime's, the preferred one first; none is
    its CPU provider.
    """

    kind: Literal["auto", "ort", "litert", "openvino"] = "auto"
    precision: Literal["int8", "float32"] | None = None
    threads: int | None = Field(default=None, ge=1, le=64)
    providers: tuple[Annotated[str, Field(pattern=r"^[A-Za-z]+ExecutionProvider$")], ...] = ()

    @field_validator("providers", mode="before")
    @classmethod
    def _tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _of_ort(self) -> EngineConfig:
        if self.providers and self.kind not in ("auto", "ort"):
            raise ValueError(f"providers are ONNX Runtime's; kind is {self.kind}")
        return self


class TriggerConfig(Section):
    """When parts come. belt: a simulated photo-eye at ``rate_hz`` with gaps varying by jitter;
    ejector_at: the true way to the ejector, ms or counts, where line.travel is to be wrong. gpio: a
    photo-eye at line ``line`` of the GPIO chip ``chip``."""

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("rate_hz", "jitter", "parts", "seed", "ejector_at"), "belt"),
        **dict.fromkeys(("chip", "line", "active_low", "edge", "bias", "debounce_us"), "gpio"),
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line")}

    kind: Literal["belt", "gpio"] = "belt"
    rate_hz: float = Field(default=10.0, ge=0.001, le=1000)
    jitter: float = Field(default=0.0, ge=0, lt=1)
    parts: int | None = Field(default=None, ge=1, le=1_000_000_000_000)
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    ejector_at: float | None = Field(default=None, ge=0.1, le=10_000_000)
    chip: str | None = Field(default=None, min_length=1)
    line: GpioName | None = None
    active_low: bool = False
    edge: Literal["rising", "falling"] = "rising"
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"] = "as-is"
    debounce_us: int = Field(default=0, ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _of_kind(self) -> TriggerConfig:
        check_kind(self, self.kind)
        return self


class OutputConfig(Section):
    """The reject output. safe_state: what the line does while nobody can say what is right.

    silence_ms: whoever of station and rejector hears nothing from the other for so long acts.
    record: a file to which the simulated output writes every edge. gpio: line ``line`` of the GPIO
    chip ``chip``.
    """

    only: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("chip", "line", "active_low", "drive"), "gpio"),
        "record": "simulated",
    }
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"gpio": ("chip", "line")}

    kind: Literal["simulated", "gpio"] = "simulated"
    safe_state: Literal["inactive", "active"] = "inactive"
    realtime_priority: int = Field(default=50, ge=0, le=99)
    # They speak every 100 ms; on a loaded machine without real-time priority one may miss a turn.
    silence_ms: int = Field(default=500, ge=200, le=10_000)
    record: Path | None = None
    chip: str | None = Field(default=None, min_length=1)
    line: GpioName | None = None
    active_low: bool = False
    drive: Literal["push-pull", "open-drain", "open-source"] = "push-pull"

    @model_validator(mode="after")
    def _of_kind(self) -> OutputConfig:
        check_kind(self, self.kind)
        return self

    @field_validator("record", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value


class WatchdogConfig(Section):
    """How long a stage of the station may take for one turn before it counts as hung, and the
    process ends to be started anew. journal_s: of the journal alone."""

    stage_s: float = Field(default=3.0, ge=0.5, le=600)
    journal_s: float = Field(default=30.0, ge=1, le=600)

    @property
    def stage_ns(self) -> int:
        return round(self.stage_s * 1e9)

    @property
    def journal_ns(self) -> int:
        return round(self.journal_s * 1e9)


class StationConfig(Section):
    """One station. Relative paths in the file are taken from the file's own folder."""

    id: StationId
    bundle: Path
    state_dir: Path
    camera: CameraConfig
    line: LineConfig
    trust: TrustConfig = TrustConfig()
    trigger: TriggerConfig = TriggerConfig()
    engine: EngineConfig = EngineConfig()
    encoder: EncoderConfig | None = None
    ejector_eye: EjectorEyeConfig | None = None
    output: OutputConfig = OutputConfig()
    watchdog: WatchdogConfig = WatchdogConfig()
    journal: JournalConfig = JournalConfig()
    pictures: PicturesConfig = PicturesConfig()
    drift: DriftConfig = DriftConfig()
    uplink: UplinkConfig = UplinkConfig()

    @field_validator("bundle", "state_dir", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _late_is_not_hung(self) -> StationConfig:
        if self.watchdog.stage_s * 1e3 < 2 * self.line.budget_ms:
            raise ValueError("watchdog.stage_s must be two budgets at least: late is not hung")
        return self

    @model_validator(mode="after")
    def _a_frame_fits(self) -> StationConfig:
        if self.pictures.enabled and self.camera.frame_bytes > self.pictures.ring_bytes:
            frame_mb = self.camera.frame_bytes / 1024 / 1024
            raise ValueError(f"pictures.ring_mb must be at least {frame_mb:.1f}, one frame")
        return self

    @model_validator(mode="after")
    def _gathering_is_not_hanging(self) -> StationConfig:
        if self.journal.commit_interval_ms > self.watchdog.journal_s * 500:
            raise ValueError("watchdog.journal_s must be twice journal.commit_interval_ms at least")
        return self

    @model_validator(mode="after")
    def _one_belt(self) -> StationConfig:
        line, encoder, eye = self.line, self.encoder, self.ejector_eye
        for name, section in (("encoder", encoder), ("ejector_eye", eye)):
            if section is not None and (section.kind == "gpio") != (self.trigger.kind == "gpio"):
                raise ValueError(f"{name}.kind and trigger.kind must both be gpio, or neither")
        if (encoder is None) != (line.travel_counts is None):
            raise ValueError("line.travel_counts and an [encoder] section come together")
        if eye is not None:
            if eye.by_counts != (encoder is not None):
                unit = "milliseconds" if encoder is None else "counts"
                raise ValueError(f"ejector_eye is to be in {unit}, as line.travel is")
            if eye.to_ejector >= (line.travel_counts or line.travel_ns or 0):
                raise ValueError("ejector_eye must be nearer to the ejector than the photo-eye is")
        if encoder is None or line.travel_counts is None:
            return self
        fastest_ms = line.travel_counts * 1e3 / encoder.max_counts_per_s
        if line.budget_ms >= fastest_ms:
            raise ValueError(
                f"line.budget_ms must be below {fastest_ms:g}, the travel at max_counts_per_s: "
                "the part is gone by then"
            )
        if line.on_crowded == "reject" and self.spacing < self.pulse_counts:
            raise ValueError(
                f"line.min_spacing_counts must be at least {self.pulse_counts}, a pulse at "
                "max_counts_per_s"
            )
        return self

    @property
    def pulse_counts(self) -> int:
        """How far the belt comes in one pulse at most; 0 without an encoder."""
        if self.encoder is None:
            return 0
        return ceil(self.line.pulse_ms * self.encoder.max_counts_per_s / 1e3)

    @property
    def spacing(self) -> int:
        """Parts nearer than this are kicked together: counts, or nanoseconds. 0: never."""
        line = self.line
        if line.on_crowded == "each":
            return 0
        if self.encoder is not None:
            given = line.min_spacing_counts
            return self.pulse_counts if given is None else given
        spacing_ms = line.pulse_ms if line.min_spacing_ms is None else line.min_spacing_ms
        return round(spacing_ms * 1e6)

    @property
    def paths(self) -> StatePaths:
        """Return the files and folders of the station's state."""
        return StatePaths(self.state_dir, self.uplink.state_dir or self.state_dir)


def load_config(path: Path) -> StationConfig:
    """Read and check a station.toml. Raises ConfigError that names the file and the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> StationConfig:
    """As ``load_config``, of what is or will be in the file."""
    try:
        data = tomllib.loads(text.removeprefix("\ufeff"))  # with which editors on Windows begin
    except RecursionError as error:
        raise ConfigError(f"{path}: is not TOML: nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, and what Python says of too many digits
        raise ConfigError(f"{path}: is not TOML: {one_line(error)}") from error
    try:
        config = StationConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error
    return _anchored(config, path.resolve().parent)


def _anchored(section: _AnySection, folder: Path) -> _AnySection:
    """A copy of the section with every relative path taken from ``folder``."""
    changed: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, tuple):
            changed[name] = tuple(folder / v if isinstance(v, Path) else v for v in value)
        elif isinstance(value, Section):
            changed[name] = _anchored(value, folder)
    return section.model_copy(update=changed)
