"""The certificate of a local page, checked before it is used."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge.errors import OutfeedError, UsageError
from edge.files import is_exposed

_MOST_BYTES = 1 << 20  # of a PEM file
_DER = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


class CertificateError(OutfeedError):
    """The files of a page's certificate cannot be used."""


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """The names of the options or keys that name the two files, for error messages."""

    certificate: str = "--certificate"
    key: str = "--key"


@dataclass(frozen=True, slots=True)
class PageCertificate:
    """A certificate that is valid now, with its key. names: the hosts that it is made for, as a
    browser may have them in its address; without wildcards. until: the end of its validity."""

    context: ssl.SSLContext
    names: tuple[str, ...]
    until: datetime


_OPTIONS = CertificateOptions()


def read_page_certificate(
    certificate: Path | None, key: Path | None, options: CertificateOptions = _OPTIONS
) -> PageCertificate | None:
    """Return the certificate of these files; None where neither is given.

    Blocks on the disk. TLS 1.2 or newer is used. Raises UsageError for one without the other, and
    CertificateError, one line that names the option and the file, for files that do not serve.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise UsageError(f"{options.certificate} and {options.key}: expected both, or neither")
    chain = _certificate(certificate, options)
    _check_key(key, chain.public_key().public_bytes(*_DER), certificate, options)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty passphrase: otherwise OpenSSL would ask for one at the terminal and wait.
        context.load_cert_chain(str(certificate), str(key), password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(
            f"{options.certificate} {certificate}, {options.key} {key}: cannot be used: {error}"
        ) from error
    names = _names(chain, certificate, options)
    return PageCertificate(context, names, chain.not_valid_after_utc)


def _certificate(path: Path, options: CertificateOptions) -> x509.Certificate:
    try:
        found = x509.load_pem_x509_certificates(_bytes(options.certificate, path))[0]
    except ValueError as error:
        raise CertificateError(
            f"{options.certificate} {path}: is not a certificate; expected PEM"
        ) from error
    now = datetime.now(timezone.utc)
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        first, last = found.not_valid_before_utc.date(), found.not_valid_after_utc.date()
        raise CertificateError(
            f"{options.certificate} {path}: is valid from {first} to {last}; expected one that is "
            "valid now"
        )
    return found


def _check_key(path: Path, own: bytes, certificate: Path, options: CertificateOptions) -> None:
    """Check that a private key is the one of the public key ``own``, and secret."""
    data = _bytes(options.key, path)
    try:
        private = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise CertificateError(
            f"{options.key} {path}: is not a private key; expected PEM without a passphrase"
        ) from error
    if private.public_key().public_bytes(*_DER) != own:
        raise CertificateError(
            f"{options.key} {path}: does not belong to {options.certificate} {certificate}"
        )
    if is_exposed(path):
        raise CertificateError(
            f"{options.key} {path}: others may read it; expected a secret: chmod 600 {path}"
        )


def _names(
    certificate: x509.Certificate, path: Path, options: CertificateOptions
) -> tuple[str, ...]:
    """Return the names of hosts; a browser accepts only subject alternative names (RFC 9525)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError) as error:
        raise CertificateError(
            f"{options.certificate} {path}: names no host (subject alternative name); expected the "
            "name or address of this machine"
        ) from error
    hosts = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    addresses = [str(each) for each in found.get_values_for_type(x509.IPAddress)]
    return tuple(name for name in (*hosts, *addresses) if _is_host(name))


def _is_host(name: str) -> bool:
    if "*" in name or not name.isprintable():
        return False
    try:
        return not ipaddress.ip_address(name).is_unspecified
    except ValueError:
        return bool(name) and "/" not in name  # a network in place of an address


def _bytes(option: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise CertificateError(f"{option} {path}: cannot be read: {error.strerror}") from error
