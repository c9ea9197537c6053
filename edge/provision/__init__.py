"""The provision of a new station: its keys, certificates and station.toml."""

from edge.provision.authority import CA_KEY_FILE, Authority, make_authority
from edge.provision.folder import ProvisionError, read_file
from edge.provision.identity import (
    CertificateIdentity,
    make_broker,
    make_central,
    make_station_identity,
)
from edge.provision.manifest import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    SIGNATURE_FILE,
    STATION_FILES,
    IdentityFile,
    IdentityManifest,
    fingerprint,
    is_signed,
    parse_manifest,
)
from edge.provision.revocation import REVOKED_FILE, revoke
from edge.provision.station import StationKit, make_station_kit

__all__ = [
    "CA_KEY_FILE",
    "MANIFEST_FILE",
    "MAX_MANIFEST_BYTES",
    "REVOKED_FILE",
    "SIGNATURE_FILE",
    "STATION_FILES",
    "Authority",
    "CertificateIdentity",
    "IdentityFile",
    "IdentityManifest",
    "ProvisionError",
    "StationKit",
    "fingerprint",
    "is_signed",
    "make_authority",
    "make_broker",
    "make_central",
    "make_station_identity",
    "make_station_kit",
    "parse_manifest",
    "read_file",
    "revoke",
]
