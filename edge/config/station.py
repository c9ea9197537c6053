"""The whole station.toml as frozen models, and the functions that read it."""

from __future__ import annotations

import sys
from math import ceil
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from edge.config.camera import CameraConfig
from edge.config.commands import CommandsConfig
from edge.config.drift import DriftConfig
from edge.config.ejector_eye import EjectorEyeConfig
from edge.config.encoder import EncoderConfig
from edge.config.engine import EngineConfig
from edge.config.line import LineConfig
from edge.config.output import OutputConfig
from edge.config.page import PageConfig
from edge.config.paths import StatePaths
from edge.config.pictures import PicturesConfig
from edge.config.section import ConfigSection
from edge.config.trigger import TriggerConfig
from edge.config.trust import TrustConfig
from edge.config.updates import UpdatesConfig
from edge.config.uplink import JournalConfig, UplinkConfig
from edge.config.upload import UploadConfig
from edge.config.watchdog import WatchdogConfig
from edge.errors import ConfigError
from edge.validation_messages import describe, one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The identifier is one level of every topic: no separators and no wildcards (MQTT 5, section 4.7).
StationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]

_AnySection = TypeVar("_AnySection", bound=ConfigSection)


class StationConfig(ConfigSection):
    """The configuration of one station: three keys, and one field for each section.

    Paths are absolute, or relative to the folder of the file before ``parse_config`` resolves them.
    """

    id: StationId = Field(
        title="Identifier of the station",
        description=(
            "The identifier is one level of every MQTT topic. It has at most 63 letters, digits, "
            "dots, dashes and underscores, and starts with a letter or digit."
        ),
    )
    bundle: Path = Field(
        title="Bundle",
        description=(
            "The bundle file of the station. It must reproduce its golden frames on this machine "
            "before any part is inspected."
        ),
    )
    state_dir: Path = Field(
        title="State folder",
        description=(
            "The folder for the journal, pictures and everything else that the station stores. "
            "Each station needs its own folder."
        ),
    )
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
    upload: UploadConfig = UploadConfig()
    commands: CommandsConfig = CommandsConfig()
    page: PageConfig = PageConfig()
    updates: UpdatesConfig = UpdatesConfig()

    @field_validator("bundle", "state_dir", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _stage_limit_is_above_the_budget(self) -> StationConfig:
        if self.watchdog.stage_s * 1e3 < 2 * self.line.budget_ms:
            raise ValueError("watchdog.stage_s must be at least twice line.budget_ms")
        return self

    @model_validator(mode="after")
    def _a_frame_fits_into_the_ring(self) -> StationConfig:
        if self.pictures.enabled and self.camera.frame_bytes > self.pictures.ring_bytes:
            frame_mb = self.camera.frame_bytes / 1024 / 1024
            raise ValueError(
                f"pictures.ring_mb must be at least {frame_mb:.1f}, the size of a frame"
            )
        return self

    @model_validator(mode="after")
    def _commands_have_what_they_need(self) -> StationConfig:
        accepted = self.commands.accept
        if accepted and not self.trust.operator_keys:
            raise ValueError("commands.accept needs trust.operator_keys")
        if accepted and not self.pictures.enabled:
            raise ValueError("commands.accept needs pictures.enabled, as marks do")
        if "picture" in accepted and self.upload.url is None:
            raise ValueError('"picture" in commands.accept needs upload.url')
        return self

    @model_validator(mode="after")
    def _marks_of_the_page_have_pictures(self) -> StationConfig:
        if self.page.marking and not self.pictures.enabled:
            raise ValueError("page.marking needs pictures.enabled, as marks do")
        return self

    @model_validator(mode="after")
    def _updates_have_what_they_need(self) -> StationConfig:
        if self.updates.server is None:
            return self
        if len(set(self.trust.operator_keys)) < self.updates.signers:
            raise ValueError(
                "updates.server needs trust.operator_keys, at least updates.signers of them"
            )
        if not self.pictures.enabled:
            raise ValueError("updates.server needs pictures.enabled, as marks do")
        if self.uplink.tls_ca is None or self.uplink.tls_cert is None:
            raise ValueError("updates.server needs uplink.tls_ca, tls_cert and tls_key")
        return self

    @model_validator(mode="after")
    def _journal_limit_is_above_the_commit_interval(self) -> StationConfig:
        if self.journal.commit_interval_ms > self.watchdog.journal_s * 500:
            raise ValueError("watchdog.journal_s must be at least twice journal.commit_interval_ms")
        return self

    @model_validator(mode="after")
    def _check_belt(self) -> StationConfig:
        line, encoder, eye = self.line, self.encoder, self.ejector_eye
        for name, section in (("encoder", encoder), ("ejector_eye", eye)):
            if section is not None and (section.kind == "gpio") != (self.trigger.kind == "gpio"):
                raise ValueError(f"{name}.kind and trigger.kind must both be gpio, or neither")
        if (encoder is None) != (line.travel_counts is None):
            raise ValueError("line.travel_counts and an [encoder] section need each other")
        if eye is not None:
            if eye.by_counts != (encoder is not None):
                unit = "milliseconds" if encoder is None else "counts"
                raise ValueError(f"ejector_eye must be in {unit}, as line.travel is")
            if eye.to_ejector >= (line.travel_counts or line.travel_ns or 0):
                raise ValueError("ejector_eye must be nearer to the ejector than the photo-eye is")
        if encoder is None or line.travel_counts is None:
            return self
        fastest_ms = line.travel_counts * 1e3 / encoder.max_counts_per_s
        if line.budget_ms >= fastest_ms:
            raise ValueError(
                f"line.budget_ms must be below {fastest_ms:g}, the travel at max_counts_per_s: "
                "a later verdict cannot eject the part"
            )
        if line.on_crowded == "reject" and self.spacing < self.pulse_counts:
            raise ValueError(
                f"line.min_spacing_counts must be at least {self.pulse_counts}, a pulse at "
                "max_counts_per_s"
            )
        return self

    @property
    def pulse_counts(self) -> int:
        """Return the longest belt movement during a pulse in counts; 0 without an encoder."""
        if self.encoder is None:
            return 0
        return ceil(self.line.pulse_ms * self.encoder.max_counts_per_s / 1e3)

    @property
    def spacing(self) -> int:
        """Return the minimum spacing of parts in counts, or in nanoseconds without an encoder.

        Parts that are nearer are crowded. 0 where each part follows its own verdict.
        """
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
        return StatePaths(
            self.state_dir,
            self.uplink.state_dir or self.state_dir,
            self.page.state_dir or self.state_dir,
            self.updates.state_dir or self.state_dir / "updater",
        )


def load_config(path: Path) -> StationConfig:
    """Read and check a station.toml.

    Raises ConfigError with one line that names the file and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> StationConfig:
    """Check the text of a station.toml; ``path`` is the file that has it or will have it.

    Raises ConfigError as ``load_config`` does.
    """
    try:
        data = tomllib.loads(
            text.removeprefix("\ufeff")
        )  # a byte order mark, which editors on Windows write
    except RecursionError as error:
        raise ConfigError(f"{path}: is not TOML: nested too deeply") from error
    except ValueError as error:  # TOMLDecodeError, or a number with too many digits
        raise ConfigError(f"{path}: is not TOML: {one_line(error)}") from error
    try:
        config = StationConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error
    return _anchored(config, path.resolve().parent)


def _anchored(section: _AnySection, folder: Path) -> _AnySection:
    """Return a copy of the section with every relative path resolved against ``folder``."""
    changed: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, tuple):
            changed[name] = tuple(folder / v if isinstance(v, Path) else v for v in value)
        elif isinstance(value, ConfigSection):
            changed[name] = _anchored(value, folder)
    return section.model_copy(update=changed)
