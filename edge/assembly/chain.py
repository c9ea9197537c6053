"""The loading of a bundle and its chain for the commands."""

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
from edge.config.engine import STRIPES_FROM_PX
from edge.engines.registry import DEFAULT_ENGINE, ENGINES, EngineChoice
from edge.errors import UsageError
from edge.proof import prove_in_child

_log = logging.getLogger(__name__)
_STRIPES = ("auto", "require", "off")
_PRECISIONS: dict[str, Precision] = {each: each for each in get_args(Precision)}


def engine_choice(
    name: str | None, precision: str | None, threads: int, stripes: str = "auto"
) -> EngineChoice:
    """Return the engine of --engine, --precision, --threads and --stripes. Imports its library.

    Raises UsageError for an unknown or missing engine.
    """
    if stripes not in _STRIPES:
        raise UsageError(f"--stripes {stripes}: expected {', '.join(_STRIPES)}")
    name = name or DEFAULT_ENGINE
    if name not in ENGINES:
        raise UsageError(f"--engine {name}: expected {', '.join(ENGINES)}")
    choice = EngineChoice(
        name,
        threads,
        parse_precision(precision),
        stripes_from_px=None if stripes == "off" else STRIPES_FROM_PX,
        stripes_required=stripes == "require",
    )
    missing = choice.missing()
    if missing is not None:
        raise UsageError(f"--engine {name}: {missing}")
    return choice


def parse_precision(text: str | None) -> Precision | None:
    """Return the precision of --precision. Raises UsageError."""
    if text is not None and text not in _PRECISIONS:
        raise UsageError(f"--precision {text}: expected {' or '.join(_PRECISIONS)}")
    return _PRECISIONS[text] if text else None


def open_bundle(path: Path, trusted: Collection[str] | None) -> Bundle:
    """Return the bundle for a command that drives no output, and log its signer.

    One of the keys must have signed it. With ``trusted`` None any intact bundle is accepted. Raises
    BundleError.
    """
    bundle = read_bundle(path, trusted)
    level = logging.WARNING if bundle.signer is None else logging.INFO
    _log.log(level, "bundle_opened %s: %s", bundle.id, signed_by(bundle))
    return bundle


def prove_and_build(bundle: Bundle, engine: EngineChoice) -> Inspector:
    """Return the chain of the bundle after it has reproduced the golden frames.

    They run in a child process first, and then in this process. Blocks, usually for some seconds.
    Raises BundleError.
    """
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
    """Return the verified bundle and its chain, which has reproduced the golden frames.

    threshold: replaces the threshold of the bundle after the golden frames. trusted: as for
    ``open_bundle``. Raises BundleError, and UsageError for a threshold outside the scale.
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
