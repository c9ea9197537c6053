"""The manifest of an identity: the files of a provisioned folder, signed by the authority."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.clock import utc_now
from edge.provision.authority import CA_FILE, Authority
from edge.provision.folder import NewFile, ProvisionError
from edge.validation_messages import describe

MANIFEST_FILE, SIGNATURE_FILE = "identity.json", "identity.sig"
MAX_MANIFEST_BYTES = 16 * 1024

STATION_FILES = ("station.toml", "station.pem", "station.key", CA_FILE)
"""The files that every identity has. One bundle may be added."""

# Names that a FAT file system stores unchanged.
_BUNDLE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _.+-]{0,99}[A-Za-z0-9_+-])?\.outfeed")
_MAX_SMALL, _MAX_BUNDLE = 256 * 1024, 1024**3
# A signature of the authority for a manifest is none for anything else.
_CONTEXT = b"outfeed identity 1\0"

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class IdentityFile(_Record):
    """The size and the SHA-256 of a file."""

    size: Annotated[int, Field(ge=1, le=_MAX_BUNDLE)]
    sha256: _Digest


class IdentityManifest(_Record):
    """The content of identity.json.

    replaces: SHA-256 of the certificate (DER) that the identity replaces; empty for a unit without
    an identity.
    """

    format: Literal["outfeed.identity/1"] = "outfeed.identity/1"
    station: Annotated[str, Field(min_length=1, max_length=63)]
    utc: Annotated[str, Field(max_length=40)]
    replaces: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    files: dict[str, IdentityFile]

    @property
    def bundle(self) -> str | None:
        """Return the name of the bundle, or None where the folder has none."""
        return next((name for name in self.files if name not in STATION_FILES), None)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, in hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def manifest_files(
    authority: Authority, station: str, files: Mapping[str, NewFile], replaces: str = ""
) -> dict[str, NewFile]:
    """Return identity.json and identity.sig for these files. Raises ProvisionError."""
    manifest = IdentityManifest(
        station=station,
        utc=utc_now(),
        replaces=replaces,
        files={
            name: IdentityFile(size=len(each.data), sha256=hashlib.sha256(each.data).hexdigest())
            for name, each in sorted(files.items())
        },
    )
    _check_files(manifest)
    data = manifest.model_dump_json(indent=1).encode() + b"\n"
    signature = authority.key.sign(_CONTEXT + data, ec.ECDSA(hashes.SHA256()))
    return {MANIFEST_FILE: NewFile(data), SIGNATURE_FILE: NewFile(signature)}


def parse_manifest(data: bytes) -> IdentityManifest:
    """Return the manifest. Raises ProvisionError; the signature is not verified."""
    if len(data) > MAX_MANIFEST_BYTES:
        raise ProvisionError(f"has more than {MAX_MANIFEST_BYTES} bytes")
    try:
        manifest = IdentityManifest.model_validate_json(data)
    except ValidationError as error:
        raise ProvisionError(describe(error)) from error
    _check_files(manifest)
    return manifest


def is_signed(data: bytes, signature: bytes, authority: x509.Certificate) -> bool:
    """Return whether this authority signed the bytes of identity.json."""
    key = authority.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, _CONTEXT + data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _check_files(manifest: IdentityManifest) -> None:
    for name in STATION_FILES:
        if name not in manifest.files:
            raise ProvisionError(f"key 'files': {name} is missing")
    others = [name for name in manifest.files if name not in STATION_FILES]
    for name in others:
        if _BUNDLE.fullmatch(name) is None:
            raise ProvisionError(
                f"key 'files': {name[:120]!r}: expected {', '.join(STATION_FILES)} or a bundle: "
                "letters, digits, dot, dash, plus, underscore and space, then .outfeed"
            )
    if len(others) > 1:
        raise ProvisionError(f"key 'files': {len(others)} bundles: expected one at most")
    for name, each in manifest.files.items():
        if name in STATION_FILES and each.size > _MAX_SMALL:
            raise ProvisionError(f"key 'files': {name}: {each.size} bytes: expected {_MAX_SMALL}")
