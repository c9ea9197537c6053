"""The certificates and disks of the station, as its status states them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timezone
from logging import getLogger
from pathlib import Path

from cryptography import x509

from edge.config.paths import StatePaths
from edge.config.uplink import UplinkConfig
from edge.events.health import CertificateValidity, DiskSpace

_log = getLogger(__name__)

_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class MachineHealth:
    """The certificates and disks that a status states."""

    certificates: tuple[CertificateValidity, ...] = ()
    disks: tuple[DiskSpace, ...] = ()


def read_health(uplink: UplinkConfig, paths: StatePaths) -> MachineHealth:
    """Return the certificates of [uplink] and the disks of the state folders. Blocks for files.

    A file or folder that cannot be read now is left out, and logged at DEBUG: a certificate is
    perhaps being replaced, and `outfeed doctor` names lasting faults. Folders of one file system
    are listed once.
    """
    files = {"tls_cert": uplink.tls_cert, "tls_ca": uplink.tls_ca}
    folders = {"state": paths.state_dir, "uplink": paths.uplink, "pictures": paths.pictures}
    certificates = [_validity(key, path) for key, path in files.items() if path is not None]
    disks: dict[int, DiskSpace] = {}
    for name, folder in folders.items():
        try:
            device = folder.stat().st_dev
            state = os.statvfs(folder)
        except OSError as error:
            _log.debug("disk_not_read folder=%s reason=%s", folder, error)
            continue
        block = state.f_frsize
        space = DiskSpace(
            folder=name, free_bytes=state.f_bavail * block, total_bytes=state.f_blocks * block
        )
        disks.setdefault(device, space)
    found = tuple(each for each in certificates if each is not None)
    return MachineHealth(found, tuple(disks.values()))


def _validity(key: str, path: Path) -> CertificateValidity | None:
    """Return the earliest end of the certificates in a file; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            loaded = x509.load_pem_x509_certificates(file.read(_MAX_BYTES))
    except (OSError, ValueError) as error:
        _log.debug("certificate_not_read file=%s reason=%s", path, error)
        return None
    until = min(each.not_valid_after_utc for each in loaded).astimezone(timezone.utc)
    return CertificateValidity(key=key, until=until.isoformat().replace("+00:00", "Z"))
