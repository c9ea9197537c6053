"""The provision of a new station: its keys, certificates and station.toml."""

from edge.provision.authority import CA_KEY_FILE, Authority, make_authority
from edge.provision.folder import ProvisionError, read_file
from edge.provision.identity import (
    CertificateIdentity,
    make_broker,
    make_central,
    make_station_identity,
)
from edge.provision.revocation import REVOKED_FILE, revoke
from edge.provision.station import StationKit, make_station_kit

__all__ = [
    "CA_KEY_FILE",
    "REVOKED_FILE",
    "Authority",
    "CertificateIdentity",
    "ProvisionError",
    "StationKit",
    "make_authority",
    "make_broker",
    "make_central",
    "make_station_identity",
    "make_station_kit",
    "read_file",
    "revoke",
]
