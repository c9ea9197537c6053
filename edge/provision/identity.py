"""Keys with their certificates, for brokers, stations and central systems."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.provision.authority import CA_FILE, Authority, check_days, private_pem
from edge.provision.folder import NewFile, ProvisionError, write_folder
from edge.provision.revocation import REVOKED_FILE

CENTRAL = "central"
"""The name that may read all stations by the broker's access list. No station may have it."""

# The same pattern as for a station's id in edge.config.station: one level of an MQTT topic.
_STATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True, slots=True)
class CertificateIdentity:
    """A certificate and its private key, both in PEM."""

    certificate: bytes
    key: bytes

    def files(self, stem: str, authority: Authority) -> dict[str, NewFile]:
        """Return the files of a folder: STEM.pem, STEM.key and ca.pem."""
        return {
            CA_FILE: NewFile(authority.pem()),
            f"{stem}.pem": NewFile(self.certificate),
            f"{stem}.key": NewFile(self.key, private=True),
        }


def make_broker(
    folder: Path, authority: Authority, revoked: bytes, hosts: Sequence[str], *, days: int = 3650
) -> None:
    """Write broker.pem, broker.key, ca.pem and revoked.pem to a new folder.

    hosts: all names and addresses of the broker that clients use; clients verify them. Raises
    ProvisionError.
    """
    check_days(days)
    if not hosts:
        raise ProvisionError("a broker needs the names or addresses under which it is reached")
    alternatives = [_alternative(host) for host in hosts]
    name = hosts[0][:64]
    identity = _identity(authority, name, days, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)
    files = identity.files("broker", authority)
    write_folder(folder, {**files, REVOKED_FILE: NewFile(revoked)})


def make_central(
    folder: Path, authority: Authority, *, name: str = CENTRAL, days: int = 3650
) -> None:
    """Write NAME.pem, NAME.key and ca.pem for a central system to a new folder.

    The system may read all stations once its name is in the access list of the broker. Raises
    ProvisionError.
    """
    check_days(days)
    if _STATION.fullmatch(name) is None or f"{name}.pem" == CA_FILE:
        raise ProvisionError(
            f"name {name[:80]!r}: expected letters, digits, dot, dash, underscore; 63 at most, not "
            "'ca'"
        )
    usage, alternatives = ExtendedKeyUsageOID.CLIENT_AUTH, [x509.DNSName(name)]
    identity = _identity(authority, name, days, usage, alternatives)
    write_folder(folder, identity.files(name, authority))


def make_station_identity(
    authority: Authority, name: str, *, days: int = 3650
) -> CertificateIdentity:
    """Return the identity of a station.

    name: its id; the broker lets the station publish only under this name. Raises ProvisionError.
    """
    check_days(days)
    if _STATION.fullmatch(name) is None:
        raise ProvisionError(
            f"station {name[:80]!r}: expected letters, digits, dot, dash, underscore; 63 at most"
        )
    if name == CENTRAL:
        raise ProvisionError(f"station {name!r}: is the name of the central system")
    usage, alternatives = ExtendedKeyUsageOID.CLIENT_AUTH, [x509.DNSName(name)]
    return _identity(authority, name, days, usage, alternatives)


def _identity(
    authority: Authority,
    name: str,
    days: int,
    usage: x509.ObjectIdentifier,
    alternatives: Sequence[x509.GeneralName],
) -> CertificateIdentity:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.sign(
        key.public_key(), name=name, days=days, usage=usage, alternatives=list(alternatives)
    )
    return CertificateIdentity(certificate, private_pem(key))


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if len(host) > 253 or _HOST.fullmatch(host) is None:
        raise ProvisionError(f"host {host[:80]!r}: expected a name or an IP address")
    return x509.DNSName(host)
