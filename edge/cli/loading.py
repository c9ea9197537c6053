"""From a bundle's path to a chain."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

from edge.bundle import Bundle, read_bundle
from edge.bundle.manifest import Precision
from edge.chain.inspector import Inspector
from edge.chain.load import load_inspector, prove
from edge.engines.registry import DEFAULT_ENGINE, ENGINES, EngineChoice
from edge.errors import UsageError

_PRECISIONS: dict[str, Precision] = {each: each for each in get_args(Precision)}


def engine_choice(name: str | None, precision: str | None, threads: int) -> EngineChoice:
    """What --engine, --precision and --threads ask for. Raises UsageError for what is not there.
    Imports the engine's library."""
    name = name or DEFAULT_ENGINE
    if name not in ENGINES:
        raise UsageError(f"--engine {name}: expected {', '.join(ENGINES)}")
    choice = EngineChoice(name, threads, parse_precision(precision))
    missing = choice.missing()
    if missing is not None:
        raise UsageError(f"--engine {name}: {missing}")
    return choice


def parse_precision(text: str | None) -> Precision | None:
    """What --precision asks for. Raises UsageError."""
    if text is not None and text not in _PRECISIONS:
        raise UsageError(f"--precision {text}: expected {' or '.join(_PRECISIONS)}")
    return _PRECISIONS[text] if text else None


def load_chain(
    path: Path, *, engine: EngineChoice | None = None, threshold: float | None = None
) -> tuple[Bundle, Inspector]:
    """The bundle, verified, and its chain, proven on the golden frames.

    threshold: T instead of the bundle's, set after the golden frames have been reproduced. Raises
    BundleError, and UsageError for a T that is not on the scale.
    """
    if threshold is not None and not 0 < threshold <= 12:
        raise UsageError(f"--threshold {threshold:g}: expected above 0 and at most 12")
    bundle = read_bundle(path)
    engine = engine or EngineChoice()
    inspector = load_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
    prove(bundle, inspector, engine)
    if threshold is None:
        return bundle, inspector
    chain = bundle.manifest.chain.model_copy(update={"threshold": threshold})
    bundle = replace(bundle, manifest=bundle.manifest.model_copy(update={"chain": chain}))
    return bundle, load_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
