"""The condition of a station's machine in its status: certificates, disks and system."""

from __future__ import annotations

from pydantic import Field

from edge.events.payload import Payload

MAX_ENTRIES = 8
"""Most certificates, and most disks, of one status that a receiver keeps."""


class CertificateValidity(Payload):
    """The validity of one certificate of the station."""

    key: str = Field(description="key of station.toml that names the file, for instance `tls_cert`")
    until: str = Field(description="end of validity, RFC 3339 in UTC")


class DiskSpace(Payload):
    """The space on the disk of one folder of the station."""

    folder: str = Field(description="the folder: `state`, `uplink` or `pictures`")
    free_bytes: int = Field(description="bytes that the user of the uplink may still write")
    total_bytes: int = Field(description="size of the file system in bytes")


class RunningSystem(Payload):
    """The system of a unit with two slots."""

    version: str = Field(description="version of the system")
    slot: str = Field(description="slot from which it was started, A or B")
