"""What judged a part: everything that the same pixels' verdict depends on."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass

import cv2
import numpy as np

import edge
from edge.bundle import Bundle
from edge.engines.registry import EngineChoice
from edge.engines.selection import processor

# Told for people: another Outfeed must give the same verdict or say that it does not.
_NOT_IN_DIGEST = ("outfeed", "bundle")


@dataclass(frozen=True, slots=True)
class Provenance:
    """bundle: its id. bundle_digest: SHA-256, which names this very content. build: which of its
    builds. package: the engine's library and its version. machine: as x86_64 or aarch64."""

    outfeed: str
    bundle: str
    bundle_digest: str
    engine: str
    package: str
    build: str
    threads: int
    providers: tuple[str, ...]
    machine: str
    processor: str
    numpy: str
    opencv: str

    @property
    def digest(self) -> str:
        """Two parts with one digest were judged by the same thing: the same pixels then give the
        same verdict, byte for byte."""
        told = {key: value for key, value in asdict(self).items() if key not in _NOT_IN_DIGEST}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def differences(self, other: Provenance) -> tuple[str, ...]:
        """What differs, as ``package onnxruntime 1.1, was onnxruntime 1.0``, of what counts."""
        mine, others = asdict(self), asdict(other)
        return tuple(
            f"{key.replace('_', ' ')} {_short(mine[key])}, was {_short(others[key])}"
            for key in mine
            if key not in _NOT_IN_DIGEST and mine[key] != others[key]
        )


def provenance_of(bundle: Bundle, engine: EngineChoice) -> Provenance:
    """Of the parts that this bundle judges on this engine, on this machine. Raises BundleError."""
    return Provenance(
        outfeed=edge.__version__,
        bundle=bundle.id,
        bundle_digest=bundle.digest,
        engine=engine.name,
        package=engine.load().package,
        build=engine.build(bundle).name,
        threads=engine.threads,
        providers=engine.providers,
        machine=platform.machine(),
        processor=processor(),
        numpy=np.__version__,
        opencv=str(cv2.__version__),
    )


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    text = str(value)
    return text[:12] if len(text) == 64 else text
