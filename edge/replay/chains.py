"""Chains for parts that were judged some time ago."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from edge.bundle import Bundle, GoldenLimits, check_certificate, read_bundle
from edge.bundle.manifest import Precision
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector, prove
from edge.engines.registry import ENGINES, EngineChoice
from edge.errors import BundleError
from edge.pictures import Provenance, provenance_of
from edge.pictures.kept_bundles import bundle_path
from edge.proof import prove_in_child
from edge.replay.compare import Tolerance


@dataclass(frozen=True, slots=True)
class ReplayChain:
    """A bundle that has proven itself on an engine here. limits: of its build's golden frames.
    errors: by the name of a build, the 99th percentile of its severity's error against the network
    in float, as the bundle's certificate has it."""

    bundle: Bundle
    inspector: Inspector
    origin: Provenance
    limits: GoldenLimits
    errors: Mapping[str, float]

    def tolerance(self, judged: Provenance) -> Tolerance:
        """For a part of another origin. The same build computes the same on every engine and
        machine, but for rounding: the golden limits. Another build of the bundle is another
        network: both errors together, and twice the golden limits, as both may be off once."""
        threshold = self.bundle.manifest.chain.threshold
        builds = (judged.build, self.origin.build)
        if judged.bundle_digest != self.origin.bundle_digest or builds[0] == builds[1]:
            return Tolerance(self.limits, threshold)
        limits = self.limits
        both = GoldenLimits(
            severity=max(limits.severity, min(12.0, sum(self.errors.get(b, 0) for b in builds))),
            box_px=2 * limits.box_px,
            area=2 * limits.area,
            confidence=min(1.0, 2 * limits.confidence),
        )
        return Tolerance(both, threshold)


class ReplayChains:
    """Finds the bundle that judged a part, by its digest, and loads it on the engine that did, or
    on what was asked for instead. Keeps the last chain: parts come in the order in which they were
    kept. One thread."""

    def __init__(
        self,
        folder: Path,
        *,
        configured: Path | None = None,
        other: Path | None = None,
        engine: EngineChoice | None = None,
        trusted: Collection[str] | None = None,
    ) -> None:
        """folder: of the station's kept bundles. configured: the station's present bundle. other:
        one to judge by in place of the recorded ones. engine: likewise. trusted: public keys in
        hex, one of which must have signed whatever is loaded; None: any bundle that is whole."""
        self._folder = folder
        self._configured = configured
        self._other = other
        self._engine = engine
        self._trusted = trusted
        self._key: tuple[str, EngineChoice] | None = None
        self._chain: ReplayChain | None = None

    def of(self, origin: Provenance) -> ReplayChain:
        """The chain for a part of this origin. Raises BundleError, one line, where bundle or engine
        is not there, or does not reproduce its golden frames."""
        engine = self._engine or _engine_of(origin)
        key = (origin.bundle_digest if self._other is None else "", engine)
        if self._chain is None or key != self._key:
            bundle = self._bundle(origin)
            prove_in_child(bundle, engine)
            inspector = build_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
            prove(bundle, inspector, engine)
            limits = engine.build(bundle).golden
            self._chain = ReplayChain(
                bundle, inspector, provenance_of(bundle, engine), limits, _errors(bundle)
            )
            self._key = key
        return self._chain

    def _bundle(self, origin: Provenance) -> Bundle:
        if self._other is not None:
            return read_bundle(self._other, self._trusted)
        path = bundle_path(self._folder, origin.bundle_digest)
        if path.exists():
            bundle = read_bundle(path, self._trusted)
            if bundle.digest != origin.bundle_digest:
                raise BundleError(f"{path}: is {bundle.id}, not what its name says")
            return bundle
        if self._configured is not None and self._configured.exists():
            bundle = read_bundle(self._configured, self._trusted)
            if bundle.digest == origin.bundle_digest:
                return bundle
        raise BundleError(f"{origin.bundle} is not kept here any more; give it with --bundle")


def _errors(bundle: Bundle) -> dict[str, float]:
    steps = check_certificate(bundle.manifest, bundle.files).steps
    found = ((step.chain, step.figures.get("severity_error_p99")) for step in steps)
    return {name: error for name, error in found if error is not None and isfinite(error)}


def _engine_of(origin: Provenance) -> EngineChoice:
    if origin.engine not in ENGINES:
        raise BundleError(f"engine {origin.engine!r} is unknown here; give another with --engine")
    precision: Precision = "int8" if origin.build.endswith("int8") else "float32"
    return EngineChoice(origin.engine, origin.threads, precision, origin.providers)
