"""Keys that sign bundles: Ed25519 (RFC 8032).

A public key is text, ``ed25519:`` and 64 hex digits: a line of a ``.pub`` file, or that line itself
in station.toml. A private key is a PEM file (PKCS8, RFC 5958), encrypted if a passphrase was given.
The id of a key, for people, is the first 16 hex digits of the SHA-256 of the public key.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import BundleError
from edge.files import is_exposed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC_PREFIX = "ed25519:"
PUBLIC_SUFFIX, PRIVATE_SUFFIX = ".pub", ".key"
_PUBLIC = re.compile(rf"{PUBLIC_PREFIX}([0-9a-f]{{64}})")
_MAX_FILE_BYTES = 64 * 1024


def key_id(public: str) -> str:
    """Return the id of a key, 16 hex digits. public: the public key in 64 hex digits."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()[:16]


def public_text(public: str) -> str:
    """Return the key as text, as in station.toml and ``.pub`` files."""
    return PUBLIC_PREFIX + public


def parse_public_key(text: str, name: str) -> str:
    """Return a public key in 64 hex digits from its text.

    name: the name of the key in errors. Raises BundleError.
    """
    match = _PUBLIC.fullmatch(text.strip())
    if match is not None:
        return match[1]
    if "PRIVATE KEY" in text:
        raise BundleError(f"{name}: is a private key; expected the {PUBLIC_SUFFIX} file beside it")
    raise BundleError(f"{name}: is no public key; expected {PUBLIC_PREFIX} and 64 hex digits")


def read_public_key(path: Path) -> str:
    """Return a public key in 64 hex digits from a ``.pub`` file. Raises BundleError."""
    try:
        text = _read(path).decode("ascii")
    except UnicodeDecodeError:
        text = ""
    return parse_public_key(text, str(path))


def read_trusted(keys: Iterable[str | Path]) -> frozenset[str]:
    """Return public keys, each from its text or from a ``.pub`` file. Raises BundleError."""
    return frozenset(
        parse_public_key(key, key)
        if isinstance(key, str) and key.startswith(PUBLIC_PREFIX)
        else read_public_key(Path(key))
        for key in keys
    )


def public_of(key: Ed25519PrivateKey) -> str:
    """Return the public key in 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()


def read_private_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """Return the private key in a PEM file, which only its owner and group may read.

    Blocks for some milliseconds for an encrypted key. Raises BundleError.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path)
    if data.startswith(PUBLIC_PREFIX.encode()):
        raise BundleError(f"{path}: is a public key; expected the {PRIVATE_SUFFIX} file beside it")
    encrypted = b"ENCRYPTED" in data
    if encrypted and passphrase is None:
        raise BundleError(f"{path}: is encrypted; --passphrase-file is missing")
    try:
        key = load_pem_private_key(data, passphrase if encrypted else None)
    # TypeError: the key is encrypted, but its PEM label does not show it.
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if encrypted:
            raise BundleError(
                f"{path}: the passphrase does not open it, or it is damaged"
            ) from error
        raise BundleError(f"{path}: is no private key; expected PEM (PKCS8)") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"{path}: is a key of another kind; expected Ed25519")
    if is_exposed(path):
        # The key signs for every station of the plant, for years.
        raise BundleError(f"{path}: others may read it; expected a secret: chmod 600 {path}")
    return key


def is_encrypted(path: Path) -> bool:
    """Return True if the private key needs a passphrase; False for an unreadable file too."""
    try:
        return b"ENCRYPTED" in _read(path)
    except BundleError:
        return False


def write_key_pair(name: Path, passphrase: bytes | None = None) -> tuple[Path, Path, str]:
    """Write a new key pair: NAME.key, which only its owner may read, and NAME.pub.

    Return both paths and the public key in hexadecimal. Raises BundleError if one of the files
    exists; then nothing is written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    key = Ed25519PrivateKey.generate()
    sealed: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        sealed = BestAvailableEncryption(passphrase)
    private = name.with_name(name.name + PRIVATE_SUFFIX)
    public = name.with_name(name.name + PUBLIC_SUFFIX)
    text = public_of(key)
    _write_fresh(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed), 0o600)
    try:
        _write_fresh(public, f"{public_text(text)}\n".encode(), 0o644)
    except BundleError:
        private.unlink()
        raise
    return private, public, text


def read_passphrase(path: Path) -> bytes:
    """Return the passphrase in a file, without its line break. Raises BundleError."""
    passphrase = _read(path).rstrip(b"\r\n")
    if not passphrase:
        raise BundleError(f"{path}: is empty; expected a passphrase")
    return passphrase


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise BundleError(f"{path}: is larger than {_MAX_FILE_BYTES} bytes; expected a small file")
    return data.removeprefix(b"\xef\xbb\xbf")  # with which editors on Windows begin


def _write_fresh(path: Path, data: bytes, mode: int) -> None:
    """Only where nothing is there, with its mode from the first moment on."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise BundleError(f"{path}: is there already; a key is never overwritten") from error
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error
