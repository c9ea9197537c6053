"""The provenance of a verdict: everything, beside the pixels, on which it depends."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass

import cv2
import numpy as np

import edge
from edge.bundle import Bundle
from edge.engines.registry import EngineChoice
from edge.engines.selection import processor

# For people only. Another version of Outfeed must give the same verdict, or replay reports it.
_NOT_IN_DIGEST = ("outfeed", "bundle")

# Without stripes the digest is that of earlier versions, which had only this.
_AS_BEFORE = ("stripes_from_px", None)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The software and hardware that gave a verdict.

    outfeed, numpy, opencv: versions. bundle: id of the bundle. bundle_digest: SHA-256 of its
    content. engine, providers, threads: the engine and its settings. package: the library of the
    engine, with its version. build: the build in the bundle. machine: for instance x86_64 or
    aarch64. processor: its name. stripes_from_px: as in EngineChoice; records of earlier
    versions have none.
    """

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
    stripes_from_px: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all fields that affect a verdict.

        For two equal digests, equal pixels give the same verdict, byte for byte.
        """
        relevant = {
            key: value
            for key, value in asdict(self).items()
            if key not in _NOT_IN_DIGEST and (key, value) != _AS_BEFORE
        }
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()

    def differences(self, other: Provenance) -> tuple[str, ...]:
        """Return the differences that affect a verdict.

        One text for each, for instance ``package onnxruntime 1.1, was onnxruntime 1.0``.
        """
        mine, others = asdict(self), asdict(other)
        return tuple(
            f"{key.replace('_', ' ')} {_short(mine[key])}, was {_short(others[key])}"
            for key in mine
            if key not in _NOT_IN_DIGEST and mine[key] != others[key]
        )


@dataclass(frozen=True, slots=True)
class PictureOrigin:
    """The origin of the verdicts on pictures. keep_bundle: copies the bundle beside the pictures,
    if it is not there yet."""

    provenance: Provenance
    keep_bundle: Callable[[], None]


def provenance_of(bundle: Bundle, engine: EngineChoice) -> Provenance:
    """Return the provenance of verdicts by this bundle, on this engine and this machine.

    Raises BundleError.
    """
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
        stripes_from_px=engine.stripes_from_px,
    )


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(value) or "none"
    text = str(value)
    return text[:12] if len(text) == 64 else text
