"""From a bundle's path to a chain."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import get_args

from edge.assembly.admission import signed_by
from edge.bundle import Bundle, read_bundle
from edge.bundle.manifest import Precision
from edge.chain.inspector import Inspector
from edge.chain.load import build_inspector, prove
from edge.engines.registry import DEFAULT_ENGINE, ENGINES, EngineChoice
from edge.errors import UsageError
from edge.proof import prove_in_child

_log = logging.getLogger(__name__)
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


def open_bundle(path: Path, trusted: Collection[str] | None) -> Bundle:
    """For a command that drives no output: a bundle that one of the keys signed, or, with None,
    any that is whole; the log says who signed it. Raises BundleError."""
    bundle = read_bundle(path, trusted)
    level = logging.WARNING if bundle.signer is None else logging.INFO
    _log.log(level, "bundle_opened %s: %s", bundle.id, signed_by(bundle))
    return bundle


def prove_and_build(bundle: Bundle, engine: EngineChoice) -> Inspector:
    """Return the bundle's chain, proven on the golden frames: first in a child process, then in
    this one. Raises BundleError. Blocks, as a rule for some seconds."""
    prove_in_child(bundle, engine)
    inspector = build_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
    prove(bundle, inspector, engine)
    return inspector


def load_chain(
    path: Path,
    *,
    engine: EngineChoice | None = None,
    threshold: float | None = None,
    trusted: Collection[str] | None = None,
) -> tuple[Bundle, Inspector]:
    """The bundle, verified, and its chain, proven on the golden frames, in a child first.

    threshold: T instead of the bundle's, set after the golden frames have been reproduced. trusted:
    as ``open_bundle`` has it. Raises BundleError, and UsageError for a T that is not on the scale.
    """
    if threshold is not None and not 0 < threshold <= 12:
        raise UsageError(f"--threshold {threshold:g}: expected above 0 and at most 12")
    bundle = open_bundle(path, trusted)
    engine = engine or EngineChoice()
    inspector = prove_and_build(bundle, engine)
    if threshold is None:
        return bundle, inspector
    chain = bundle.manifest.chain.model_copy(update={"threshold": threshold})
    bundle = replace(bundle, manifest=bundle.manifest.model_copy(update={"chain": chain}))
    return bundle, build_inspector(bundle, now_ns=time.monotonic_ns, engine=engine)
