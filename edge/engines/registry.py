"""Which inference engines there are, and what each of them reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edge.bundle import BuildManifest, Bundle
from edge.bundle.manifest import Format, Precision
from edge.engines.engine import Engine
from edge.engines.ort import OrtEngine
from edge.errors import BundleError


class MakesEngine(Protocol):
    """An engine's class. Raises BundleError for a network that it refuses."""

    def __call__(
        self, model: bytes, *, batch: int, height: int, width: int, channels: int, threads: int = 1
    ) -> Engine: ...


@dataclass(frozen=True, slots=True)
class EngineKind:
    """name: what a configuration calls it. format: the builds that it reads."""

    name: str
    format: Format
    make: MakesEngine


ENGINES = {kind.name: kind for kind in (EngineKind("ort", "onnx", OrtEngine),)}
DEFAULT_ENGINE = "ort"


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What runs a bundle. precision None: whichever build of the engine's format comes first."""

    name: str = DEFAULT_ENGINE
    threads: int = 1
    precision: Precision | None = None

    def build(self, bundle: Bundle) -> BuildManifest:
        """The bundle's build for this engine. Raises BundleError where it has none."""
        wanted = ENGINES[self.name].format
        for build in bundle.manifest.builds:
            if build.format == wanted and self.precision in (None, build.precision):
                return build
        held = ", ".join(build.name for build in bundle.manifest.builds)
        precision = f"-{self.precision}" if self.precision else ""
        raise BundleError(f"{bundle.id} has no {wanted}{precision} for {self.name}; it has {held}")
