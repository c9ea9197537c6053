"""The registry of inference engines, with the format that each of them reads.

The library of an engine is imported only when the engine is used, because each one is optional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edge.bundle import BuildManifest, Bundle
from edge.bundle.manifest import Format, Precision
from edge.config.engine import STRIPES_FROM_PX
from edge.engines.engine import MakesEngine
from edge.errors import BundleError


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine whose library is imported. package: name and version of the library."""

    make: MakesEngine
    package: str


def _ort(providers: tuple[str, ...]) -> Loaded:
    from edge.engines import ort

    # Without providers the engine uses its default, the CPU.
    make = partial(ort.OrtEngine, providers=providers) if providers else ort.OrtEngine
    return Loaded(make, ort.package())


def _litert(providers: tuple[str, ...]) -> Loaded:
    from edge.engines import litert

    return Loaded(litert.LiteRtEngine, litert.package())


def _openvino(providers: tuple[str, ...]) -> Loaded:
    from edge.engines import openvino

    return Loaded(openvino.OpenVinoEngine, openvino.package())


@dataclass(frozen=True, slots=True)
class EngineKind:
    """A kind of engine.

    name: value of engine.kind in the configuration. format: format of the builds that it reads.
    install: requirement for pip. load: imports the library for the given providers; raises
    ImportError where it is missing.
    """

    name: str
    title: str
    format: Format
    install: str
    load: Callable[[tuple[str, ...]], Loaded]

    def missing(self) -> str | None:
        """Return the reason why the engine cannot be used here, or None. Imports its library."""
        try:
            self.load(())
        except ModuleNotFoundError:
            return f"{self.title} is not installed: pip install '{self.install}'"
        except ImportError as error:
            return f"{self.title} cannot be loaded: {' '.join(str(error).split())}"
        return None


DEFAULT_ENGINE = "ort"
ENGINES = {
    kind.name: kind
    for kind in (
        EngineKind("ort", "ONNX Runtime", "onnx", "onnxruntime", _ort),
        EngineKind("litert", "LiteRT", "tflite", "outfeed[litert]", _litert),
        EngineKind("openvino", "OpenVINO", "onnx", "outfeed[openvino]", _openvino),
    )
}


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine that runs a bundle.

    threads: cores that a run may use. precision: of the build; None takes the first build in the
    format of the engine. providers: execution providers of ONNX Runtime, the preferred one first;
    empty is the CPU.

    stripes_from_px: frames of so many pixels and more are inspected in stripes, of which
    ``threads`` run at once (edge/chain/stripes); None: larger frames are always cut into tiles.
    stripes_required: a network that cannot run on stripes is refused.
    """

    name: str = DEFAULT_ENGINE
    threads: int = 1
    precision: Precision | None = None
    providers: tuple[str, ...] = ()
    stripes_from_px: int | None = STRIPES_FROM_PX
    stripes_required: bool = False

    def __str__(self) -> str:
        parts = [self.name, self.precision, *self.providers]
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return " ".join(filter(None, [*parts, threads]))

    def missing(self) -> str | None:
        """Return the reason why the engine cannot be used here, or None. Imports its library."""
        reason = ENGINES[self.name].missing()
        if reason is None and self.name == "ort":
            from edge.engines.ort import missing_provider

            return missing_provider(self.providers)
        return reason

    def load(self) -> Loaded:
        """Import the library and return the engine. Raises BundleError where that fails."""
        missing = self.missing()
        if missing is not None:
            raise BundleError(missing)
        return ENGINES[self.name].load(self.providers)

    def reads(self, bundle: Bundle) -> bool:
        """Return True where the bundle has a build for this engine."""
        return self._build(bundle) is not None

    def build(self, bundle: Bundle) -> BuildManifest:
        """Return the build of the bundle for this engine. Raises BundleError without one."""
        build = self._build(bundle)
        if build is not None:
            return build
        wanted = ENGINES[self.name].format
        held = ", ".join(build.name for build in bundle.manifest.builds)
        precision = f"-{self.precision}" if self.precision else ""
        raise BundleError(f"{bundle.id} has no {wanted}{precision} for {self.name}; it has {held}")

    def _build(self, bundle: Bundle) -> BuildManifest | None:
        wanted = ENGINES[self.name].format
        for build in bundle.manifest.builds:
            if build.format == wanted and self.precision in (None, build.precision):
                return build
        return None
