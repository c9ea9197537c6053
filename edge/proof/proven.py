"""The file of proven bundles in the station's state. With it a restarted station does not wait for
another proof."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import edge
from edge.bundle import Bundle
from edge.engines.registry import EngineChoice
from edge.errors import BundleError
from edge.files import read_regular_file, write_durably
from edge.proof.isolated import prove_in_child

_MAX_PROOFS = 32
_MAX_BYTES = 64 * 1024


class Proof(BaseModel):
    """A record of a successful proof: these exact bytes, on this engine, with these libraries."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    bundle: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    engine: str
    package: str
    outfeed: str
    python: str


class ProofFile(BaseModel):
    """The content of the file, the newest proof last."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    proven: list[Proof] = []


def prove_new(bundle: Bundle, engine: EngineChoice, path: Path) -> None:
    """Prove the bundle as ``prove_in_child`` does, unless the file records an earlier proof.

    Writes nothing. Raises BundleError. Where the file is absent or damaged, the bundle is proven
    again.
    """
    if proof_of(bundle, engine) not in _read(path):
        prove_in_child(bundle, engine)


def remember_proof(bundle: Bundle, engine: EngineChoice, path: Path) -> None:
    """Add the bundle to the file. Blocks on the disk. Raises BundleError, one line."""
    known, proof = _read(path), proof_of(bundle, engine)
    if proof in known:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = ProofFile(proven=[*known, proof][-_MAX_PROOFS:]).model_dump_json(indent=1)
        write_durably(path, text.encode() + b"\n")
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error


def proof_of(bundle: Bundle, engine: EngineChoice) -> Proof:
    """Return the proof that the file would hold. Imports the engine's library; raises BundleError
    without it."""
    return Proof(
        bundle=bundle.digest,
        engine=str(engine),
        package=engine.load().package,
        outfeed=edge.__version__,
        python=platform.python_version(),
    )


def _read(path: Path) -> list[Proof]:
    try:
        data = read_regular_file(path, _MAX_BYTES)
        return ProofFile.model_validate_json(data).proven
    except (OSError, ValidationError):
        return []
