"""The model bundle: one file, ``NAME.outfeed``, that a station accepts completely or refuses.

A bundle is a zip archive in one fixed form (edge/bundle/container.py) that holds ``manifest.json``,
the networks and the golden frames; the same content gives the same bytes. A seal at its end
(edge/bundle/seal.py) covers every byte before it and is verified before anything is parsed. The
manifest names size and SHA-256 of every other file. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
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
GOLDEN_TILES = 4  # most tiles of a golden frame along each side
MAX_BYTES = 256 * 1024 * 1024  # ten times the largest network known to run on a Raspberry Pi


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle in memory.

    digest: SHA-256 of all bytes before the seal, which identifies the content. signer: the public
    key in hexadecimal; None: unsigned.
    """

    manifest: Manifest
    digest: str
    files: dict[str, bytes]
    size_bytes: int
    signer: str | None = None

    @property
    def id(self) -> str:
        """Name, version and first 12 digits of the digest. Events name the bundle by this id."""
        return f"{self.manifest.name}-{self.manifest.version}-{self.digest[:12]}"


def pack(
    manifest: Manifest, files: dict[str, bytes], key: Ed25519PrivateKey | None = None
) -> bytes:
    """Return the bytes of a bundle, signed if there is a key. Deterministic.

    The table ``files`` of the manifest is made here. Raises BundleError for a bundle that
    ``read_bundle`` would refuse.
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
    """Return the bundle with the signature of this key, which replaces any other.

    compatible: the stations for which it is from now on; None: only the seal changes. Raises
    BundleError for a bundle that ``parse_bundle`` refuses.
    """
    bundle = parse_bundle(data)
    if compatible is not None:
        manifest = bundle.manifest.model_copy(update={"compatible": compatible})
        return pack(manifest, bundle.files, key)
    body = data[:-SEAL_BYTES]
    return body + make_seal(body, key)


def sign_file(
    path: Path,
    out: Path,
    key: Ed25519PrivateKey,
    compatible: tuple[str, ...] | None = None,
    change: Callable[[Bundle], tuple[Manifest, dict[str, bytes]]] | None = None,
) -> Bundle:
    """Sign a file like ``sign_bundle``, and write it to ``out``, which may be the same file.

    change: returns manifest and files that take the place of those in the file; None: they stay.
    Raises BundleError, one line that names file and fault; ``out`` is then unchanged.
    """
    data = _read(path)
    try:
        if change is not None:
            data = pack(*change(parse_bundle(data)))
        data = sign_bundle(data, key, compatible)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    try:
        write_bundle(out, data)
    except OSError as error:
        raise BundleError(f"{out}: cannot be written: {error.strerror}") from error
    return parse_bundle(data)


def write_bundle(path: Path, data: bytes) -> None:
    """Write the file atomically. Creates its folder. Blocks for two fsyncs. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, data)


def read_bundle(path: Path, trusted: Collection[str] | None = None) -> Bundle:
    """Read a bundle and verify every byte.

    trusted: public keys in hexadecimal, one of which must have signed; None: no signature is
    required, but an existing one must be valid. Raises BundleError, one line that names file and
    fault.
    """
    data = _read(path)
    try:
        return parse_bundle(data, trusted)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def parse_bundle(data: bytes, trusted: Collection[str] | None = None) -> Bundle:
    """Return the bundle in these bytes, verified as by ``read_bundle``. Raises BundleError."""
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
        content = files.get(name)
        if content is None:
            raise BundleError(f"lacks {name!r}, which its manifest names")
        if len(content) != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise BundleError(f"{name!r} is not the file that its manifest names")
    _check(manifest, files)
    return Bundle(manifest, seal.digest, files, len(data), seal.signer)


def _read(path: Path) -> bytes:
    """Return the bytes of the file, at most one more than MAX_BYTES."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error


def _check(manifest: Manifest, files: dict[str, bytes]) -> None:
    """Check the files against the manifest. Raises BundleError."""
    check(manifest)
    height, width = manifest.detector.height, manifest.detector.width
    if manifest.detector.alignment is not None:
        height = width = max(height, width)  # frames are whole, and the part lies in any rotation
    for golden in manifest.golden:
        check_picture(
            golden.file,
            files[golden.file],
            height=height * GOLDEN_TILES,
            width=width * GOLDEN_TILES,
        )


_TOO_LARGE = "is larger than {} bytes, the most a bundle may have"
