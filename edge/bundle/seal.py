"""The seal at the end of a bundle: its checksum and the signature.

The seal is the comment of the zip archive. It has 256 characters: the SHA-256 of every byte before
the seal (64 hex digits), the public key of the signer (64) and the Ed25519 signature (128). The
signature covers SIGNED_AS and every byte before the seal. An unsigned bundle has dashes in place of
key and signature. So signing changes no signed byte, and a bundle keeps its id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.bundle.keys import key_id, public_of
from edge.errors import BundleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEAL_BYTES = 256
# This prefix makes a signature for another purpose invalid for a bundle.
SIGNED_AS = b"outfeed bundle, signature 1\n"

_DIGEST_CHARS = 64
_UNSIGNED = b"-" * (SEAL_BYTES - _DIGEST_CHARS)
_SIGNED = re.compile(rb"([0-9a-f]{64})([0-9a-f]{128})")


@dataclass(frozen=True, slots=True)
class Seal:
    """digest: SHA-256 of every byte before the seal. signer: public key in hex, None: unsigned."""

    digest: str
    signer: str | None


def make_seal(body: bytes, key: Ed25519PrivateKey | None) -> bytes:
    """Return the seal of a bundle's other bytes; unsigned without a key."""
    digest = hashlib.sha256(body).hexdigest().encode()
    if key is None:
        return digest + _UNSIGNED
    signature = key.sign(SIGNED_AS + body)
    return digest + public_of(key).encode() + signature.hex().encode()


def open_seal(data: bytes) -> tuple[memoryview, Seal]:
    """Verify the seal. Return the bytes before it, and the seal.

    Raises BundleError for altered bytes or a wrong signature. The content is not parsed.
    """
    body, seal = memoryview(data)[:-SEAL_BYTES], data[-SEAL_BYTES:]
    digest = hashlib.sha256(body).hexdigest()
    if seal[:_DIGEST_CHARS] != digest.encode():
        raise BundleError("is damaged, altered or not a bundle: its SHA-256 does not match")
    if seal[_DIGEST_CHARS:] == _UNSIGNED:
        return body, Seal(digest, None)
    match = _SIGNED.fullmatch(seal, _DIGEST_CHARS)
    if match is None:
        raise BundleError("is damaged or altered: its seal holds no signature")
    signer = match[1].decode()
    if not _is_signed(body, signer, bytes.fromhex(match[2].decode())):
        raise BundleError(
            f"is damaged or altered: its signature is not that of key {key_id(signer)}"
        )
    return body, Seal(digest, signer)


def require_signer(seal: Seal, trusted: Collection[str]) -> None:
    """Raise BundleError if none of the trusted keys (public, in hexadecimal) signed."""
    if seal.signer is None:
        raise BundleError("is unsigned; `outfeed bundle sign` signs it")
    if seal.signer not in trusted:
        known = ", ".join(sorted(key_id(key) for key in trusted)) or "none"
        raise BundleError(f"is signed by key {key_id(seal.signer)}; trusted here: {known}")


def _is_signed(body: memoryview, signer: str, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        key.verify(signature, SIGNED_AS + body)
    except (InvalidSignature, ValueError):  # ValueError: the key is not a point of the curve
        return False
    return True
