"""The certificates, disks and system of the station, as its status states them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timezone
from logging import getLogger
from pathlib import Path

from cryptography import x509

from edge.config.paths import StatePaths
from edge.config.uplink import UplinkConfig
from edge.events.health import CertificateValidity, DiskSpace, RunningSystem
from edge.updates.system.boot_loader import read_image
from edge.updates.system.boot_state import BootStateError

_log = getLogger(__name__)

_MAX_BYTES = 1 << 20
_MAX_VERSION_CHARS = 100


@dataclass(frozen=True, slots=True)
class MachineHealth:
    """The certificates, disks and system that a status states. system: None without an image."""

    certificates: tuple[CertificateValidity, ...] = ()
    disks: tuple[DiskSpace, ...] = ()
    system: RunningSystem | None = None


def read_health(
    uplink: UplinkConfig, paths: StatePaths, *, root: Path = Path("/")
) -> MachineHealth:
    """Return the certificates of [uplink], the disks of the state folders, and the system below
    ``root``. Blocks for files.

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
    return MachineHealth(found, tuple(disks.values()), _system(root))


def _system(root: Path) -> RunningSystem | None:
    """Return the system that runs; None on a unit that was not flashed with an image."""
    try:
        image = read_image(root)
    except BootStateError as error:
        _log.debug("no_system_image reason=%s", error)
        return None
    return RunningSystem(version=image.version[:_MAX_VERSION_CHARS], slot=image.slot)


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
