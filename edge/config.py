"""station.toml → frozen models. An unknown key, wrong type or missing file is one clear line."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from edge.complaints import describe
from edge.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A station's name is a level of every topic: no separators, no wildcards (MQTT 5, section 4.7).
StationId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_AnySection = TypeVar("_AnySection", bound=_Section)


class EngineConfig(_Section):
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


class TrustConfig(_Section):
    """Which bundles may run.

    keys: who may sign them: public keys as text, ``ed25519:…``, or files of one. compatible: what
    this station is; a bundle must name it. allow_downgrade: also a bundle of a lower version than
    one that ran here.
    """

    keys: tuple[str | Path, ...] = ()
    compatible: str = Field(default="outfeed", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    allow_downgrade: bool = False

    @field_validator("keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        return tuple(_key(entry) for entry in value)


def _key(entry: object) -> object:
    if isinstance(entry, str) and entry.startswith("ed25519:"):
        if re.fullmatch(r"ed25519:[0-9a-f]{64}", entry) is None:
            raise ValueError("a key is ed25519: and 64 hex digits")
        return entry
    if isinstance(entry, Path) or (isinstance(entry, str) and entry):
        return Path(entry)
    raise ValueError("a key is a text, ed25519: and 64 hex digits or the path of a file")


class CameraConfig(_Section):
    """Where frames come from.

    files: every image below ``path``, in sorted order; video: every frame of the file ``path``.
    ``loop`` starts again at the end instead of ending the run.
    """

    kind: Literal["files", "video"]
    path: Path
    loop: bool = False

    @field_validator("path", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value


class TriggerConfig(_Section):
    """When parts come. belt: a simulated photo-eye at ``rate_hz`` with gaps varying by jitter."""

    kind: Literal["belt"] = "belt"
    rate_hz: float = Field(default=10.0, gt=0, le=1000)
    jitter: float = Field(default=0.0, ge=0, lt=1)
    parts: int | None = Field(default=None, ge=1)
    seed: int = 0


class LineConfig(_Section):
    """From photo-eye to ejector.

    travel_ms: time a part takes from the photo-eye to the ejector. budget_ms: a verdict later than
    this after the trigger is UNKNOWN. on_unknown: what the ejector does with such a part.
    debounce_ms: an edge of the photo-eye this soon after a part's edge is a bounce.
    """

    travel_ms: float = Field(gt=0)
    budget_ms: float = Field(gt=0)
    pulse_ms: float = Field(default=20.0, gt=0)
    debounce_ms: float = Field(default=2.0, ge=0)
    on_unknown: Literal["reject", "pass"] = "reject"

    @field_validator("budget_ms")
    @classmethod
    def _in_time(cls, value: float, info: ValidationInfo) -> float:
        travel_ms = info.data.get("travel_ms")
        if travel_ms is not None and value >= travel_ms:
            raise ValueError(f"must be below travel_ms ({travel_ms:g}): the part is gone by then")
        return value

    @property
    def travel_ns(self) -> int:
        return round(self.travel_ms * 1e6)

    @property
    def budget_ns(self) -> int:
        return round(self.budget_ms * 1e6)

    @property
    def debounce_ns(self) -> int:
        return round(self.debounce_ms * 1e6)

    @property
    def pulse_us(self) -> int:
        return round(self.pulse_ms * 1e3)


class OutputConfig(_Section):
    """The reject output. safe_state: what the line does while nobody can say what is right.

    silence_ms: whoever of station and rejector hears nothing from the other for so long acts.
    record: a file to which the simulated output writes every edge.
    """

    kind: Literal["simulated"] = "simulated"
    safe_state: Literal["inactive", "active"] = "inactive"
    realtime_priority: int = Field(default=50, ge=0, le=99)
    # They speak every 100 ms; on a loaded machine without real-time priority one may miss a turn.
    silence_ms: int = Field(default=500, ge=200, le=10_000)
    record: Path | None = None

    @field_validator("record", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value


class WatchdogConfig(_Section):
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


class JournalConfig(_Section):
    """The journal's place and the disk it may use, its write-ahead log included."""

    max_mb: float = Field(default=256.0, ge=1)

    @property
    def max_bytes(self) -> int:
        return round(self.max_mb * 1024 * 1024)


class UplinkConfig(_Section):
    """The way to the broker. start: whether ``outfeed run`` starts the uplink itself."""

    start: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Literal["5", "3.1.1"] = "5"
    keepalive_s: int = Field(default=15, ge=2, le=3600)
    topic_prefix: str = Field(default="outfeed/v1", pattern=r"^[^#+\s/]+(/[^#+\s/]+)*$")
    username: str | None = None
    password_file: Path | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    connect_timeout_s: float = Field(default=5.0, gt=0)
    max_inflight: int = Field(default=64, ge=1, le=1000)
    retry_max_s: float = Field(default=30.0, gt=0)

    @field_validator("password_file", "tls_ca", "tls_cert", "tls_key", mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        return Path(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> UplinkConfig:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs a username")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key come together")
        if self.tls_cert is not None and self.tls_ca is None:
            raise ValueError("tls_cert needs tls_ca: there is no TLS without it")
        return self


class StationConfig(_Section):
    """One station. Relative paths in the file are taken from the file's own folder."""

    id: StationId
    bundle: Path
    state_dir: Path
    camera: CameraConfig
    line: LineConfig
    trust: TrustConfig = TrustConfig()
    trigger: TriggerConfig = TriggerConfig()
    engine: EngineConfig = EngineConfig()
    output: OutputConfig = OutputConfig()
    watchdog: WatchdogConfig = WatchdogConfig()
    journal: JournalConfig = JournalConfig()
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

    @property
    def journal_path(self) -> Path:
        return self.state_dir / "journal.sqlite"

    @property
    def accepted_path(self) -> Path:
        """Where the station keeps which versions of bundles it has accepted."""
        return self.state_dir / "bundles.json"

    @property
    def engine_path(self) -> Path:
        """Where ``outfeed bench --select`` keeps which engine is the fastest."""
        return self.state_dir / "engine.json"

    @property
    def cursor_path(self) -> Path:
        """Where the uplink keeps how far it has published."""
        return self.state_dir / "uplink.json"


def load_config(path: Path) -> StationConfig:
    """Read and check a station.toml. Raises ConfigError that names the file and the key."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows begin with a mark
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
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
        elif isinstance(value, _Section):
            changed[name] = _anchored(value, folder)
    return section.model_copy(update=changed)
