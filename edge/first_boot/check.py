"""The checks of a copied identity: certificates, key, names and station.toml."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.config.station import load_config
from edge.errors import ConfigError
from edge.first_boot.folder import IdentityError, IdentityFolder
from edge.provision import MANIFEST_FILE, fingerprint, is_signed


def check_identity(source: IdentityFolder, copy: Path) -> None:
    """Check the copied files of an identity against each other. Raises IdentityError.

    Args:
        source: The folder from which they were copied. Messages name its files.
        copy: The folder with the copied files, whose hashes are those of the manifest.
    """
    authority = _certificate(source, copy, "ca.pem")
    _check_authority(source, authority)
    certificate = _certificate(source, copy, "station.pem")
    _check_station(source, certificate, authority)
    _check_key(source, copy, certificate)
    _check_settings(source, copy)


def check_replacement(source: IdentityFolder, installed: Path) -> None:
    """Check that an identity may replace the installed one. Raises IdentityError.

    It must name the installed certificate, and the installed authority must have signed it.

    Args:
        source: The folder of the new identity.
        installed: The folder of the installed one.
    """
    manifest = source.path / MANIFEST_FILE
    try:
        own = x509.load_pem_x509_certificate((installed / "station.pem").read_bytes())
        authority = x509.load_pem_x509_certificate((installed / "ca.pem").read_bytes())
    except (OSError, ValueError) as error:
        raise IdentityError(
            f"{installed}: has an identity whose station.pem or ca.pem cannot be read: "
            "move the folder away as root, to import another identity"
        ) from error
    if source.manifest.replaces != fingerprint(own):
        raise IdentityError(
            f"{manifest}: key 'replaces': this unit is {_name(own)}: expected the SHA-256 of its "
            f"certificate (outfeed provision station {source.manifest.station} --replaces PEM)"
        )
    if not is_signed(source.data, source.signature, authority):
        raise IdentityError(
            f"{manifest}: this unit is {_name(own)}: expected a signature of its authority"
        )


def _check_authority(source: IdentityFolder, authority: x509.Certificate) -> None:
    path = source.path / "ca.pem"
    try:
        authority.verify_directly_issued_by(authority)
        extension = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise IdentityError(f"{path}: is not the certificate of an authority") from error
    if not extension.value.ca:
        raise IdentityError(f"{path}: is not the certificate of an authority")
    if not is_signed(source.data, source.signature, authority):
        raise IdentityError(
            f"{source.path / MANIFEST_FILE}: expected a signature of ca.pem in identity.sig"
        )


def _check_station(
    source: IdentityFolder, certificate: x509.Certificate, authority: x509.Certificate
) -> None:
    path = source.path / "station.pem"
    try:
        certificate.verify_directly_issued_by(authority)
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature) as error:
        raise IdentityError(f"{path}: was not signed by ca.pem") from error
    except x509.ExtensionNotFound as error:
        raise IdentityError(f"{path}: is not the certificate of a station") from error
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise IdentityError(f"{path}: is not the certificate of a station")
    if _name(certificate) != source.manifest.station:
        raise IdentityError(
            f"{path}: belongs to {_name(certificate)!r}: expected {source.manifest.station!r}"
        )
    # A board without a clock starts in the past; only the end of validity can be judged.
    now = datetime.now(timezone.utc)
    if certificate.not_valid_after_utc < now:
        raise IdentityError(
            f"{path}: expired at {certificate.not_valid_after_utc:%Y-%m-%d}; "
            f"the clock of this unit says {now:%Y-%m-%d}"
        )


def _check_key(source: IdentityFolder, copy: Path, certificate: x509.Certificate) -> None:
    path = source.path / "station.key"
    try:
        key = serialization.load_pem_private_key((copy / "station.key").read_bytes(), None)
    except TypeError as error:
        raise IdentityError(f"{path}: is encrypted: expected a key without passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise IdentityError(f"{path}: is not a private key: expected PEM (PKCS8)") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError(f"{path}: expected a key of an elliptic curve")
    if key.public_key() != certificate.public_key():
        raise IdentityError(f"{path}: does not belong to station.pem")


def _check_settings(source: IdentityFolder, copy: Path) -> None:
    path = source.path / "station.toml"
    try:
        config = load_config(copy / "station.toml")
    except ConfigError as error:
        text = str(error).removeprefix(f"{copy / 'station.toml'}: ")
        raise IdentityError(f"{path}: {text}") from error
    if config.id != source.manifest.station:
        raise IdentityError(f"{path}: key 'id': {config.id!r}: expected that of the certificate")
    uplink = config.uplink
    for key, value, name in (
        ("tls_ca", uplink.tls_ca, "ca.pem"),
        ("tls_cert", uplink.tls_cert, "station.pem"),
        ("tls_key", uplink.tls_key, "station.key"),
    ):
        if value != copy.resolve() / name:
            raise IdentityError(f"{path}: key 'uplink.{key}': expected '{name}'")
    bundle = source.manifest.bundle
    if bundle is not None and config.bundle != copy.resolve() / bundle:
        raise IdentityError(f"{path}: key 'bundle': expected '{bundle}'")


def _certificate(source: IdentityFolder, copy: Path, name: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate((copy / name).read_bytes())
    except ValueError as error:
        raise IdentityError(f"{source.path / name}: is not a certificate: expected PEM") from error


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""
