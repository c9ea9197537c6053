"""The work of outfeed-first-boot.service at each boot, and when a stick is plugged in."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import OutfeedError
from edge.files import write_durably
from edge.first_boot.display import UnitState, show
from edge.first_boot.partitions import FatPartition, fat_partitions
from edge.first_boot.state import MANIFEST, has_identity, host_name, is_interrupted, station_name
from edge.validation_messages import one_line

if TYPE_CHECKING:  # cryptography and pydantic are loaded only where there is an identity to import
    from edge.first_boot.folder import IdentityFolder

_log = getLogger(__name__)

_UNITS = ("outfeed-station.service", "outfeed-uplink.service")
_WITHOUT = (
    "Outfeed: this unit has no identity. It inspects nothing and ejects nothing.",
    "Copy the folder of `outfeed provision station` to the FAT partition of the card or to a USB",
    "stick, and start the unit again.",
)


@dataclass
class _Found:
    """The results of a search: folders by what is to be done with them."""

    new: list[tuple[FatPartition, IdentityFolder]] = field(default_factory=list)
    installed: list[tuple[FatPartition, IdentityFolder]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def run_first_boot(folder: Path, mounts: Path, root: Path = Path("/")) -> bool:
    """Import an identity from a FAT file system, where there is one, and show the unit's state.

    A boot must not fail because of a stick: every complaint is a line on the console and in the
    log. Return whether there was no complaint. Needs root.

    Args:
        folder: The folder of the identity, /etc/outfeed.
        mounts: A folder for the mount points of sticks.
        root: The root of the file system, for tests.
    """
    complaints: list[str] = []
    has_imported = False
    try:
        if is_interrupted(folder):
            from edge.first_boot.installation import finish

            finish(folder)
            has_imported = True
        with fat_partitions(mounts, root) as partitions:
            done, complaints = _import_from(partitions, folder)
            has_imported |= done
    except (OSError, OutfeedError) as error:
        complaints = [*complaints, one_line(error)]
    for each in complaints:
        _log.error("first_boot %s", each)
    is_ready = has_identity(folder)
    _show(folder, complaints, is_ready=is_ready, root=root)
    if is_ready:
        _set_host_name(folder, root, write=has_imported)
    if has_imported and is_ready:
        _start()
    return not complaints


def _import_from(partitions: Sequence[FatPartition], folder: Path) -> tuple[bool, list[str]]:
    """Import the one new identity, and erase installed ones. Return whether one was imported."""
    places = [(each, path) for each in partitions for path in _candidates(each.path)]
    if not places:
        return False, []
    from edge.first_boot.installation import import_identity

    found = _sort(places, folder)
    has_imported = False
    if len(found.new) > 1:
        names = ", ".join(str(source.path) for _, source in found.new)
        found.complaints.append(f"{names}: expected one identity, found {len(found.new)}")
    elif found.new:
        partition, source = found.new[0]
        try:
            has_imported = import_identity(source, folder)
        except OutfeedError as error:
            found.complaints.append(one_line(error))
        else:
            _log.info("identity_imported from=%s station=%s", source.path, source.manifest.station)
            found.installed.append((partition, source))
    for partition, source in found.installed:
        try:
            with partition.writable():
                source.erase()
        except (OSError, OutfeedError) as error:
            found.complaints.append(
                f"{source.path}: the identity is imported, but its private key could not be "
                f"erased: {one_line(error)}; erase the folder by hand"
            )
    return has_imported, found.complaints


def _candidates(partition: Path) -> list[Path]:
    """Return the folders with a manifest: the file system itself, and the folders in it."""
    found = []
    try:
        for each in (partition, *sorted(partition.iterdir())):
            with suppress(OSError):
                if (each / MANIFEST).is_file():
                    found.append(each)
    except OSError as error:
        _log.warning("partition_not_read folder=%s reason=%s", partition, error.strerror)
    return found


def _sort(places: Sequence[tuple[FatPartition, Path]], folder: Path) -> _Found:
    from edge.first_boot.folder import IdentityFolder
    from edge.first_boot.installation import is_installed

    found = _Found()
    for partition, path in places:
        try:
            source = IdentityFolder.read(path)
        except OutfeedError as error:
            found.complaints.append(one_line(error))
            continue
        (found.installed if is_installed(source, folder) else found.new).append((partition, source))
    return found


def _show(folder: Path, complaints: Sequence[str], *, is_ready: bool, root: Path) -> None:
    refused = [f"Outfeed: {each}" for each in complaints]
    if is_ready:
        name = station_name(folder)
        lines = [f"Outfeed: station {name}" if name else "Outfeed", *refused]
        show(UnitState.READY, lines, root)
    else:
        state = UnitState.REFUSED if refused else UnitState.NO_IDENTITY
        show(state, [*refused, *_WITHOUT], root)


def _set_host_name(folder: Path, root: Path, *, write: bool) -> None:
    """Give the unit the name of its station. On a read-only root this is done at each boot."""
    station = station_name(folder)
    if station is None:
        return
    name = host_name(station)
    try:
        if write:
            with suppress(OSError):  # a read-only root
                write_durably(root / "etc/hostname", f"{name}\n", mode=0o644)
        if socket.gethostname() != name:
            socket.sethostname(name)
    except OSError as error:
        _log.warning("host_name_not_set name=%s reason=%s", name, error.strerror)


def _start() -> None:
    """Start the services that were skipped at the boot because there was no identity."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            ["systemctl", "--no-block", "start", *_UNITS],
            check=False,
            timeout=20,
            capture_output=True,
        )
