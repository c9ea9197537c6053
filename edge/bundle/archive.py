"""The model bundle: one file, ``NAME.outfeed``, that a station accepts whole or not at all.

A bundle is a zip archive (stored, not compressed, fixed time stamps: the same content gives the
same bytes) that holds ``manifest.json``, the networks and the golden frames. Its archive comment is
the SHA-256, in 64 hex digits, of every byte before the comment; that is checked before anything is
parsed, so any flipped bit is refused. The manifest names size and SHA-256 of every other file.
Nothing is ever unpacked to disk. Signatures come later (ARCHITECTURE.md).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.manifest import MANIFEST, FileManifest, Manifest, check, parse_manifest
from edge.errors import BundleError

SUFFIX = ".outfeed"
MAX_BYTES = 256 * 1024 * 1024  # the largest network anyone put on a Pi is a tenth of this
_DIGEST_CHARS = 64


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle in memory, verified. digest: SHA-256 of the file, which names this very build."""

    manifest: Manifest
    digest: str
    files: dict[str, bytes]
    size_bytes: int

    @property
    def id(self) -> str:
        """Name, version and the first digits of the digest: what events say a verdict came from."""
        return f"{self.manifest.name}-{self.manifest.version}-{self.digest[:12]}"


def pack(manifest: Manifest, files: dict[str, bytes]) -> bytes:
    """The bundle's bytes; the manifest's ``files`` table is made here. Deterministic.

    Raises BundleError for what ``read_bundle`` would refuse.
    """
    table = {
        name: FileManifest(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in sorted(files.items())
    }
    whole = manifest.model_copy(update={"files": table})
    content = whole.model_dump(mode="json")
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    check(parse_manifest(text.encode()))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(MANIFEST, text.encode()), *sorted(files.items())]:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, data)
        archive.comment = b"0" * _DIGEST_CHARS
    body = buffer.getvalue()[:-_DIGEST_CHARS]
    return body + hashlib.sha256(body).hexdigest().encode()


def write_bundle(path: Path, data: bytes) -> None:
    """Write by way of a temporary file in the same folder: never half a bundle, and no leftovers
    of a write that failed. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_bundle(path: Path) -> Bundle:
    """Read and verify every byte. Raises BundleError, one line that names file and fault."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise BundleError(f"{path}: is larger than {MAX_BYTES} bytes, the most a bundle may have")
    try:
        return parse_bundle(data)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def parse_bundle(data: bytes) -> Bundle:
    """A bundle from its bytes, verified as ``read_bundle`` does. Raises BundleError."""
    body, claimed = data[:-_DIGEST_CHARS], data[-_DIGEST_CHARS:]
    digest = hashlib.sha256(body).hexdigest()
    if claimed != digest.encode():
        raise BundleError("is damaged, altered or not a bundle: its SHA-256 does not match")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if archive.comment != claimed:
                raise BundleError("is not a bundle: its SHA-256 is not the archive's comment")
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names):
                raise BundleError("holds two files of one name")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise BundleError("holds a compressed file; expected stored ones")
            if sum(entry.file_size for entry in entries) > len(data):
                raise BundleError("holds files that overlap")
            content = {name: archive.read(name) for name in names}
    # What zipfile raises for archives that somebody made up: EOFError and RuntimeError (encrypted,
    # NotImplementedError), struct.error, ValueError (UnicodeDecodeError), OSError (seek).
    except (zipfile.BadZipFile, EOFError, RuntimeError, struct.error, ValueError, OSError) as error:
        raise BundleError(f"is not a bundle: {' '.join(str(error).split())}") from error
    manifest = parse_manifest(content.pop(MANIFEST, None))
    for name in sorted(content.keys() - manifest.files.keys()):
        raise BundleError(f"holds {name!r}, which its manifest does not name")
    for name, entry in manifest.files.items():
        found = content.get(name)
        if found is None:
            raise BundleError(f"lacks {name!r}, which its manifest names")
        if len(found) != entry.bytes or hashlib.sha256(found).hexdigest() != entry.sha256:
            raise BundleError(f"{name!r} is not the file that its manifest names")
    check(manifest)
    return Bundle(manifest, digest, content, len(data))
