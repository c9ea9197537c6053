"""Chains for replay: the bundle and the engine of an earlier verdict, loaded again."""

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
    """A bundle that has passed its golden frames on an engine of this machine.

    limits: the limits for the golden frames of the build. errors: for each build, the 99th
    percentile of its severity error against the float network, from the bundle's certificate.
    """

    bundle: Bundle
    inspector: Inspector
    origin: Provenance
    limits: GoldenLimits
    errors: Mapping[str, float]

    def tolerance(self, earlier: Provenance) -> Tolerance:
        """Return the tolerance for a verdict of another origin.

        The same build gives the same result on every engine and machine except for rounding, so the
        golden limits hold. Another build of the same bundle is another network. There the sum of
        both severity errors holds, and twice the other golden limits, as both builds may deviate.
        """
        threshold = self.bundle.manifest.chain.threshold
        builds = (earlier.build, self.origin.build)
        if earlier.bundle_digest != self.origin.bundle_digest or builds[0] == builds[1]:
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
    """Loads the chain for each part: the bundle with the recorded digest, on the recorded engine.

    The caller can set another bundle or engine. Only the last chain is kept, because parts come in
    the order in which they were stored. For one thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        configured: Path | None = None,
        other: Path | None = None,
        engine: EngineChoice | None = None,
        trusted: Collection[str] | None = None,
    ) -> None:
        """Load nothing yet.

        Args:
            folder: The copies of bundles beside the stored pictures.
            configured: The present bundle of the station.
            other: A bundle to use instead of the recorded ones.
            engine: An engine to use instead of the recorded ones.
            trusted: Public keys in hexadecimal, one of which must have signed each loaded bundle;
                None: every valid bundle is accepted.
        """
        self._folder = folder
        self._configured = configured
        self._other = other
        self._engine = engine
        self._trusted = trusted
        self._key: tuple[str, EngineChoice] | None = None
        self._chain: ReplayChain | None = None

    def of(self, origin: Provenance) -> ReplayChain:
        """Return the chain for a part of this origin. Blocks while a chain is loaded.

        Raises BundleError, one line, if bundle or engine is missing, or if the chain does not
        reproduce its golden frames.
        """
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
                raise BundleError(f"{path}: is {bundle.id}, not the bundle of its file name")
            return bundle
        if self._configured is not None and self._configured.exists():
            bundle = read_bundle(self._configured, self._trusted)
            if bundle.digest == origin.bundle_digest:
                return bundle
        raise BundleError(f"{origin.bundle} is not stored here any more; give it with --bundle")


def _errors(bundle: Bundle) -> dict[str, float]:
    steps = check_certificate(bundle.manifest, bundle.files).steps
    errors = ((step.chain, step.figures.get("severity_error_p99")) for step in steps)
    return {name: error for name, error in errors if error is not None and isfinite(error)}


def _engine_of(origin: Provenance) -> EngineChoice:
    if origin.engine not in ENGINES:
        raise BundleError(f"engine {origin.engine!r} is unknown here; give another with --engine")
    precision: Precision = "int8" if origin.build.endswith("int8") else "float32"
    return EngineChoice(
        origin.engine,
        origin.threads,
        precision,
        origin.providers,
        stripes_from_px=origin.stripes_from_px,
    )
