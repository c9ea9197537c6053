"""The public Python API: load a bundle and inspect pictures in this process.

Import these names from ``edge``, which imports this module on first use.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge.assembly.chain import open_bundle, prove_and_build
from edge.bundle import Bundle, read_trusted
from edge.chain.inspector import Inspector
from edge.engines.registry import ENGINES, EngineChoice
from edge.errors import BundleError, UsageError
from edge.records import Box, Decision, Defect, Frame, Region, Timings, Verdict

__all__ = [
    "Box",
    "Decision",
    "Defect",
    "Frame",
    "Inspector",
    "Region",
    "Timings",
    "Verdict",
    "load_inspector",
]

MAX_THREADS = 64


def load_inspector(
    path: str | Path,
    *,
    trust: Iterable[str | Path] | str | Path | None = None,
    engine: str = "auto",
    threads: int = 1,
) -> Inspector:
    """Open a bundle, verify it, prove it on its golden frames and return its inspector.

    The bundle is verified byte by byte. A child process then runs its golden frames within limits
    of time and memory, and this process runs them again. The same bundle, engine and input give the
    same verdicts as ``outfeed inspect``.

    path: the bundle, NAME.outfeed.
    trust: public keys, one of which must have signed the bundle. A key is a ``.pub`` file, or
    ``ed25519:`` and its hex digits. None accepts any bundle that is whole, also an unsigned one,
    and logs a warning for an unsigned one.
    engine: ``ort`` (ONNX Runtime), ``litert``, ``openvino``, or ``auto``, which takes the first of
    them that can run a build of this bundle.
    threads: processor cores that one run of a network may use, 1 to 64.

    Blocks, as a rule for some seconds and for one minute at most, while the bundle is proven. May
    be called from any thread. Raises BundleError for a bundle that cannot be read, is damaged, is
    not signed by one of the keys or does not reproduce its golden frames; UsageError for an engine,
    a key or a number of threads that cannot be used.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise UsageError(f"threads {threads}: expected 1 to {MAX_THREADS}")
    if engine != "auto" and engine not in ENGINES:
        raise UsageError(f"engine {engine!r}: expected auto, {', '.join(ENGINES)}")
    bundle = open_bundle(Path(path), _trusted_keys(trust))
    return prove_and_build(bundle, _choose_engine(bundle, engine, threads))


def _trusted_keys(trust: Iterable[str | Path] | str | Path | None) -> frozenset[str] | None:
    """Return the public keys in hex; None where any bundle is accepted. Raises UsageError."""
    if trust is None:
        return None
    try:
        return read_trusted([trust] if isinstance(trust, (str, Path)) else trust)
    except BundleError as error:
        raise UsageError(f"trust: {error}") from error


def _choose_engine(bundle: Bundle, name: str, threads: int) -> EngineChoice:
    """Return the engine with this name, for ``auto`` the first that reads a build of the bundle and
    whose library is installed. Raises UsageError where the engine's library is missing."""
    names = tuple(ENGINES) if name == "auto" else (name,)
    choices = [EngineChoice(each, threads) for each in names]
    readers = [choice for choice in choices if choice.reads(bundle)] or choices
    missing = [choice.missing() for choice in readers]
    if None not in missing:
        raise UsageError(f"engine {name!r}: {'; '.join(filter(None, missing))}")
    return readers[missing.index(None)]
