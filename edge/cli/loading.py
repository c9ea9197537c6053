"""From a bundle's path to a chain."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from edge.bundle import Bundle, read_bundle
from edge.chain.inspector import Inspector
from edge.chain.load import load_inspector, prove
from edge.engines.registry import EngineChoice
from edge.errors import UsageError


def load_chain(
    path: Path, *, threads: int = 1, threshold: float | None = None
) -> tuple[Bundle, Inspector]:
    """The bundle, verified, and its chain, proven on the golden frames.

    threshold: T instead of the bundle's, set after the golden frames have been reproduced. Raises
    BundleError, and UsageError for a T that is not on the scale.
    """
    if threshold is not None and not 0 < threshold <= 12:
        raise UsageError(f"--threshold {threshold:g}: expected above 0 and at most 12")
    bundle = read_bundle(path)
    engine = EngineChoice(threads=threads)
    inspector = load_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
    prove(bundle, inspector, engine)
    if threshold is None:
        return bundle, inspector
    chain = bundle.manifest.chain.model_copy(update={"threshold": threshold})
    bundle = replace(bundle, manifest=bundle.manifest.model_copy(update={"chain": chain}))
    return bundle, load_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
