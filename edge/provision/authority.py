"""The certificate authority of a plant: two files on the machine that provisions stations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.files import is_exposed
from edge.provision.folder import NewFile, ProvisionError, read_file, write_folder
from edge.provision.revocation import REVOKED_FILE, empty_list

CA_FILE, CA_KEY_FILE = "ca.pem", "ca.key"
MAX_DAYS = 36_500
# Certificates are valid from one day ago: the clock of a board may be behind until chrony sets it.
_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate, and the private key that signs others. The key never leaves its folder."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, folder: Path, passphrase: bytes | None = None) -> Authority:
        """Read an authority from a folder that ``make_authority`` wrote.

        passphrase: for an encrypted ca.key. Raises ProvisionError.
        """
        certificate, key = folder / CA_FILE, folder / CA_KEY_FILE
        try:
            own = x509.load_pem_x509_certificate(read_file(certificate))
        except ValueError as error:
            raise ProvisionError(f"{certificate}: is not a certificate; expected PEM") from error
        data = read_file(key)
        encrypted = b"ENCRYPTED" in data
        if encrypted and passphrase is None:
            raise ProvisionError(f"{key}: is encrypted; --passphrase-file is missing")
        try:
            private = serialization.load_pem_private_key(data, passphrase if encrypted else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if encrypted:
                fault = "the passphrase does not open it, or it is damaged"
            else:
                fault = "is not a private key; expected PEM (PKCS8)"
            raise ProvisionError(f"{key}: {fault}") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ProvisionError(f"{key}: is a key of another kind; expected an elliptic curve")
        if private.public_key() != own.public_key():
            raise ProvisionError(f"{key}: does not belong to {certificate}")
        try:
            own.verify_directly_issued_by(own)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise ProvisionError(
                f"{certificate}: is not signed by itself, as an authority is"
            ) from error
        if is_exposed(key):
            raise ProvisionError(f"{key}: others may read it; expected a secret: chmod 600 {key}")
        return cls(own, private)

    def pem(self) -> bytes:
        """Return the certificate in PEM, for everyone who trusts this authority."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign(
        self,
        public: ec.EllipticCurvePublicKey,
        *,
        name: str,
        days: int,
        usage: x509.ObjectIdentifier,
        alternatives: list[x509.GeneralName],
    ) -> bytes:
        """Return a certificate in PEM for a public key: its owner's name and its permitted use."""
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _certificate(name, public, days)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
            )
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make_authority(
    folder: Path,
    *,
    name: str = "Outfeed plant",
    days: int = 7300,
    passphrase: bytes | None = None,
) -> Authority:
    """Create an authority in a new folder: ca.pem to distribute, ca.key (mode 0600) to keep secret,
    and an empty revoked.pem.

    passphrase: encrypts ca.key. Raises ProvisionError; an existing authority is never overwritten.
    """
    check_name(name)
    check_days(days)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(name, key.public_key(), days)
        .issuer_name(_subject(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Authority(certificate, key)
    files = {
        CA_FILE: NewFile(made.pem()),
        CA_KEY_FILE: NewFile(private_pem(key, passphrase), private=True),
        REVOKED_FILE: NewFile(empty_list(certificate, key)),
    }
    write_folder(folder, files)
    return made


def private_pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return the key in PEM (PKCS8). A station needs one without passphrase to start unattended."""
    sealed: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        sealed = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealed)


def check_days(days: int) -> None:
    """Check a period of validity. Raises ProvisionError."""
    if not 1 <= days <= MAX_DAYS:
        raise ProvisionError(f"{days} days: expected 1 to {MAX_DAYS}")


def check_name(name: str) -> None:
    """Check a common name: 1 to 64 characters (X.520), in one line. Raises ProvisionError."""
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise ProvisionError(f"name {name[:80]!r}: expected 1 to 64 printable characters")


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    name: str, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
