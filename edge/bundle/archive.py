"""The model bundle: one file, ``NAME.outfeed``, that a station accepts whole or not at all.

A bundle is a zip archive in one fixed form (edge/bundle/container.py) that holds ``manifest.json``,
the networks and the golden frames; the same content gives the same bytes. A seal at its end
(edge/bundle/seal.py) covers every byte before it and is verified before anything is parsed. The
manifest names size and SHA-256 of every other file. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge.bundle.container import MANIFEST, join, split
from edge.bundle.manifest import FileManifest, Manifest, check, manifest_text, parse_manifest
from edge.bundle.picture import check_picture
from edge.bundle.seal import SEAL_BYTES, make_seal, open_seal, require_signer
from edge.errors import BundleError
from edge.files import write_durably

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUFFIX = ".outfeed"
GOLDEN_TILES = 4  # a golden frame may need tiles: so many along each side
MAX_BYTES = 256 * 1024 * 1024  # the largest network anyone put on a Pi is a tenth of this


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in memory, verified. digest: SHA-256 of all before the seal, which names this very
    build. signer: the public key in hex; None: unsigned."""

    manifest: Manifest
    digest: str
    files: dict[str, bytes]
    size_bytes: int
    signer: str | None = None

    @property
    def id(self) -> str:
        """Name, version and the first digits of the digest: what events say a verdict came from."""
        return f"{self.manifest.name}-{self.manifest.version}-{self.digest[:12]}"


def pack(
    manifest: Manifest, files: dict[str, bytes], key: Ed25519PrivateKey | None = None
) -> bytes:
    """The bundle's bytes, signed where there is a key; the manifest's ``files`` table is made here.
    Deterministic. Raises BundleError for what ``read_bundle`` would refuse.
    """
    table = {
        name: FileManifest(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in sorted(files.items())
    }
    whole = manifest.model_copy(update={"files": table})
    text = manifest_text(whole.model_dump(mode="json")).encode()
    _check(parse_manifest(text), files)
    body = join({**files, MANIFEST: text}, SEAL_BYTES)
    if len(body) + SEAL_BYTES > MAX_BYTES:
        raise BundleError(_TOO_LARGE.format(MAX_BYTES))
    return body + make_seal(body, key)


def sign_bundle(
    data: bytes, key: Ed25519PrivateKey, compatible: tuple[str, ...] | None = None
) -> bytes:
    """The bundle signed with this key, in place of whoever signed it before. compatible: the
    stations that it is for from now on; None changes nothing but the seal. Raises BundleError for
    what ``parse_bundle`` refuses."""
    found = parse_bundle(data)
    if compatible is not None:
        return pack(found.manifest.model_copy(update={"compatible": compatible}), found.files, key)
    body = data[:-SEAL_BYTES]
    return body + make_seal(body, key)


def sign_file(
    path: Path, out: Path, key: Ed25519PrivateKey, compatible: tuple[str, ...] | None = None
) -> Bundle:
    """As ``sign_bundle``, from a file to a file, which may be the same. Raises BundleError, one
    line that names file and fault, and then ``out`` is as it was."""
    data = _read(path)
    try:
        data = sign_bundle(data, key, compatible)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    try:
        write_bundle(out, data)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written: {error.strerror}") from error
    return parse_bundle(data)


def write_bundle(path: Path, data: bytes) -> None:
    """Write the file whole or not at all, and its folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, data)


def read_bundle(path: Path, trusted: Collection[str] | None = None) -> Bundle:
    """Read and verify every byte. trusted: public keys in hex, one of which must have signed; None
    asks for no signature (one that is there must be right all the same). Raises BundleError, one
    line that names file and fault."""
    data = _read(path)
    try:
        return parse_bundle(data, trusted)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def parse_bundle(data: bytes, trusted: Collection[str] | None = None) -> Bundle:
    """A bundle from its bytes, verified as ``read_bundle`` does. Raises BundleError."""
    if len(data) > MAX_BYTES:
        raise BundleError(_TOO_LARGE.format(MAX_BYTES))
    body, seal = open_seal(data)
    if trusted is not None:
        require_signer(seal, trusted)
    files = split(body, SEAL_BYTES)
    manifest = parse_manifest(files.pop(MANIFEST, None))
    for name in sorted(files.keys() - manifest.files.keys()):
        raise BundleError(f"holds {name!r}, which its manifest does not name")
    for name, entry in manifest.files.items():
        found = files.get(name)
        if found is None:
            raise BundleError(f"lacks {name!r}, which its manifest names")
        if len(found) != entry.bytes or hashlib.sha256(found).hexdigest() != entry.sha256:
            raise BundleError(f"{name!r} is not the file that its manifest names")
    _check(manifest, files)
    return Bundle(manifest, seal.digest, files, len(data), seal.signer)


def _read(path: Path) -> bytes:
    """No more of the file than shows that it is too large."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error


def _check(manifest: Manifest, files: dict[str, bytes]) -> None:
    """What manifest and files must be to each other. Raises BundleError."""
    check(manifest)
    height, width = manifest.detector.height, manifest.detector.width
    for golden in manifest.golden:
        check_picture(
            golden.file,
            files[golden.file],
            height=height * GOLDEN_TILES,
            width=width * GOLDEN_TILES,
        )


_TOO_LARGE = "is larger than {} bytes, the most a bundle may have"
