"""The fastest engine on this machine, as measured by ``outfeed bench --select``.

The selection is a file in the state folder of the station. It is valid for one bundle, one
processor and one version of the engine.
"""

from __future__ import annotations

import platform
from dataclasses import replace
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

# Keys with the name of the processor in /proc/cpuinfo (proc(5)): on x86, then on Arm.
_CPU_KEYS = ("model name", "Model", "CPU part")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Times(_Record):
    """The times of the whole chain in milliseconds per frame, over a number of frames."""

    frames: int = Field(ge=1)
    p50_ms: float = Field(gt=0)
    p99_ms: float = Field(gt=0)


class EngineTiming(_Record):
    """The times of one engine with one build.

    clean: for frames in which no cell reaches the threshold. regions: for the others.
    refused: reason why the engine must not be used; then there are no times.
    """

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
        """The compared value: the mean of the medians for clean frames and for frames with regions.

        Most parts are clean, but a part with regions must be within the time budget too.
        """
        medians = [times.p50_ms for times in (self.clean, self.regions) if times is not None]
        return sum(medians) / len(medians)


class Selection(_Record):
    """The chosen engine, and the conditions for which it is valid.

    bundle: SHA-256 of the file. processor: as ``processor`` returns it. chosen: None where no
    engine reproduced the golden frames. measured: all engines that were tried.
    """

    bundle: str
    processor: str
    cores: int = Field(ge=1)
    chosen: EngineTiming | None
    measured: tuple[EngineTiming, ...]


def processor() -> str:
    """Return the name of the board, else of the processor, else of the architecture."""
    for name in ("/proc/device-tree/model", "/proc/cpuinfo"):
        try:
            text = Path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if name.endswith("model"):
            return text.strip("\0 \n")
        pairs = (line.partition(":") for line in text.splitlines())
        values = {key.strip(): value.strip() for key, _, value in pairs}
        for key in _CPU_KEYS:
            if values.get(key):
                return values[key]
    return platform.machine()


def write_selection(path: Path, selection: Selection) -> None:
    """Write the file in one step, and make its folder. Raises ConfigError, one line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, selection.model_dump_json(indent=1).encode() + b"\n")
    except OSError as error:
        raise ConfigError(f"key 'state_dir': {path}: {error.strerror}") from error


def selected_engine(path: Path, config: EngineConfig, bundle: Bundle) -> EngineChoice:
    """Return the engine that was the fastest for this bundle on this machine.

    Imports its library. Raises ConfigError, one line, where the file is missing or damaged, or
    where the bundle, the processor, the configuration or the package has changed since.
    """
    try:
        selection = Selection.model_validate_json(read_small(path, _MAX_BYTES))
    except FileNotFoundError as error:
        raise ConfigError("no engine was measured yet") from error
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
    choice = with_stripes(
        EngineChoice(chosen.engine, chosen.threads, chosen.precision, chosen.providers), config
    )
    missing = choice.missing()
    if missing is not None:
        raise ConfigError(missing)
    package = choice.load().package
    if package != chosen.package:
        raise ConfigError(f"{chosen.package} was measured, this is {package}")
    return choice


def with_stripes(choice: EngineChoice, config: EngineConfig) -> EngineChoice:
    """Return the engine with the configured handling of large frames."""
    return replace(
        choice,
        stripes_from_px=None if config.stripes == "off" else config.stripes_from_px,
        stripes_required=config.stripes == "require",
    )


def default_engine(config: EngineConfig, bundle: Bundle) -> EngineChoice:
    """Return the configured engine; for ``auto`` the first one that reads a build of the bundle.

    For ``auto`` that is ONNX Runtime where the bundle has an ONNX build. Imports its library.
    Raises ConfigError where the library is missing.
    """
    names = tuple(ENGINES) if config.kind == "auto" else (config.kind,)
    choices = [
        with_stripes(
            EngineChoice(
                name,
                config.threads or 1,
                config.precision,
                config.providers if name == DEFAULT_ENGINE else (),
            ),
            config,
        )
        for name in names
    ]
    choice = next((each for each in choices if each.reads(bundle)), choices[0])
    missing = choice.missing()
    if missing is not None:
        raise ConfigError(f"key 'engine': {missing}")
    return choice
