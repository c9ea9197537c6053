"""Which engine is the fastest on this machine: what ``outfeed bench --select`` found, kept in the
station's state, and whether it still holds."""

from __future__ import annotations

import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bounded_reads import read_small
from edge.bundle import Bundle
from edge.bundle.manifest import Precision
from edge.config.engine import EngineConfig
from edge.engines.registry import DEFAULT_ENGINE, ENGINES, EngineChoice
from edge.errors import ConfigError
from edge.files import write_durably
from edge.validation_messages import describe

_MAX_BYTES = 1024 * 1024

# Names of a processor in proc(5)'s cpuinfo: x86, then what an Arm kernel says instead.
_CPU_KEYS = ("model name", "Model", "CPU part")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Times(_Record):
    """Milliseconds per frame of the whole chain."""

    frames: int = Field(ge=1)
    p50_ms: float = Field(gt=0)
    p99_ms: float = Field(gt=0)


class EngineTiming(_Record):
    """An engine on a build. clean: frames in which no cell passes T. refused: why it is not to be
    used, and then there are no times."""

    engine: str
    package: str | None = None
    build: str | None = None
    precision: Precision | None = None
    providers: tuple[str, ...] = ()
    threads: int | None = Field(default=None, ge=1)
    clean: Times | None = None
    regions: Times | None = None
    refused: str | None = None

    @property
    def cost_ms(self) -> float:
        """What is compared: the mean of the medians of both sorts of frames. Most parts are clean;
        a part with regions is the one that must still be within the budget."""
        medians = [times.p50_ms for times in (self.clean, self.regions) if times is not None]
        return sum(medians) / len(medians)


class Selection(_Record):
    """The choice, and for what it holds. bundle: SHA-256 of the file. processor: as ``processor``
    says. chosen: None where no engine proved itself."""

    bundle: str
    processor: str
    cores: int = Field(ge=1)
    chosen: EngineTiming | None
    measured: tuple[EngineTiming, ...]


def processor() -> str:
    """What this machine computes with: the board's name, else the processor's."""
    for name in ("/proc/device-tree/model", "/proc/cpuinfo"):
        try:
            text = Path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if name.endswith("model"):
            return text.strip("\0 \n")
        pairs = (line.partition(":") for line in text.splitlines())
        found = {key.strip(): value.strip() for key, _, value in pairs}
        for key in _CPU_KEYS:
            if found.get(key):
                return found[key]
    return platform.machine()


def write_selection(path: Path, selection: Selection) -> None:
    """Replace the file in one step; its folder is made. Raises ConfigError, one line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, selection.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"key 'state_dir': {path}: {error.strerror}") from error


def selected_engine(path: Path, config: EngineConfig, bundle: Bundle) -> EngineChoice:
    """The engine that was the fastest for this very bundle on this very machine.

    Imports its library. Raises ConfigError, one line, where the file is absent or damaged, or says
    nothing of how things are now.
    """
    try:
        selection = Selection.model_validate_json(read_small(path, _MAX_BYTES))
    except FileNotFoundError as error:
        raise ConfigError("none was measured yet") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: is damaged: {describe(error)}") from error
    chosen = selection.chosen
    if chosen is None or chosen.engine not in ENGINES or chosen.threads is None:
        raise ConfigError(f"{path}: is damaged: it chooses no engine")
    if selection.bundle != bundle.digest:
        raise ConfigError(f"{selection.bundle[:12]} was measured, this is {bundle.id}")
    if selection.processor != processor():
        raise ConfigError(f"it was measured on {selection.processor}, this is {processor()}")
    if config.precision not in (None, chosen.precision):
        raise ConfigError(f"{chosen.precision} was chosen, engine.precision is {config.precision}")
    if config.threads is not None and chosen.threads > config.threads:
        raise ConfigError(
            f"{chosen.threads} threads were chosen, engine.threads is {config.threads}"
        )
    if chosen.providers not in ((), config.providers):
        raise ConfigError(f"{', '.join(chosen.providers)} were chosen, not engine.providers")
    choice = EngineChoice(chosen.engine, chosen.threads, chosen.precision, chosen.providers)
    missing = choice.missing()
    if missing is not None:
        raise ConfigError(missing)
    package = choice.load().package
    if package != chosen.package:
        raise ConfigError(f"{chosen.package} was measured, this is {package}")
    return choice


def default_engine(config: EngineConfig, bundle: Bundle) -> EngineChoice:
    """What the configuration names; for ``auto`` the first engine that reads one of the bundle's
    builds, which is ONNX Runtime unless there is no ONNX. Imports its library. Raises ConfigError
    where it is not there."""
    names = tuple(ENGINES) if config.kind == "auto" else (config.kind,)
    choices = [
        EngineChoice(
            name,
            config.threads or 1,
            config.precision,
            config.providers if name == DEFAULT_ENGINE else (),
        )
        for name in names
    ]
    choice = next((each for each in choices if each.reads(bundle)), choices[0])
    missing = choice.missing()
    if missing is not None:
        raise ConfigError(f"key 'engine': {missing}")
    return choice
