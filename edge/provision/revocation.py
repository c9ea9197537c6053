"""The list of revoked certificates, for instance of stations that were lost or scrapped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.files import write_durably
from edge.provision.folder import ProvisionError, read_file

REVOKED_FILE = "revoked.pem"
# Brokers have a copy of the list. An expired list locks out every client, so it lasts 100 years.
_LASTS = timedelta(days=36_500)


def empty_list(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return an empty list in PEM."""
    return _signed(certificate, key, ())


def revoke(
    folder: Path,
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    revoked: Sequence[Path],
) -> int:
    """Add certificates to the list in the folder of the authority. Return the length of the list.

    revoked: certificates as PEM files. The list is replaced atomically. Raises ProvisionError; the
    list is then unchanged.
    """
    path = folder / REVOKED_FILE
    try:
        known = x509.load_pem_x509_crl(read_file(path))
    except ValueError as error:
        raise ProvisionError(f"{path}: is not a list of certificates; expected PEM") from error
    entries = {entry.serial_number: entry for entry in known}
    now = datetime.now(timezone.utc)
    for each in revoked:
        number = _serial(each, certificate)
        builder = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now)
        entries.setdefault(number, builder.build())
    try:
        write_durably(path, _signed(certificate, key, tuple(entries.values())))
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be written: {error.strerror}") from error
    return len(entries)


def read_issued(path: Path, authority: x509.Certificate) -> x509.Certificate:
    """Return the certificate in a PEM file that this authority signed. Raises ProvisionError."""
    try:
        certificate = x509.load_pem_x509_certificate(read_file(path))
    except ValueError as error:
        raise ProvisionError(f"{path}: is not a certificate; expected PEM") from error
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ProvisionError(f"{path}: was signed by another authority") from error
    return certificate


def _serial(path: Path, authority: x509.Certificate) -> int:
    certificate = read_issued(path, authority)
    if certificate.serial_number == authority.serial_number:
        raise ProvisionError(f"{path}: is the certificate of the authority itself")
    return certificate.serial_number


def _signed(
    certificate: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    entries: Sequence[x509.RevokedCertificate],
) -> bytes:
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + _LASTS)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
