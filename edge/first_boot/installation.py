"""The installation of an identity into /etc/outfeed, in steps that survive a power loss."""

from __future__ import annotations

import os
import shutil
from logging import getLogger
from pathlib import Path

from edge.files import write_durably
from edge.first_boot.check import check_identity, check_replacement
from edge.first_boot.folder import IdentityError, IdentityFolder
from edge.first_boot.state import COMPLETE, PART, SETTINGS, has_identity, is_interrupted
from edge.provision import MANIFEST_FILE, SIGNATURE_FILE

_log = getLogger(__name__)


def import_identity(source: IdentityFolder, folder: Path, *, group: int | None = None) -> bool:
    """Install the identity durably. Return False where it is the installed one already.

    The steps: copy the files into a hidden folder, check them, rename it (from here on the new
    identity is installed in any case), move the files, station.toml last. A power loss leaves the
    old identity, or after ``finish`` the new one. Blocks for an fsync for each file. The source is
    not changed.

    Args:
        source: The folder with the identity.
        folder: The folder of the unit's identity, /etc/outfeed.
        group: The group that may read the private key; None: that of the folder.

    Raises:
        IdentityError: The identity is refused, or cannot be written. Nothing has changed then.
    """
    try:
        finish(folder)
        if _content(folder / MANIFEST_FILE) == source.data and has_identity(folder):
            return False
        if has_identity(folder):
            check_replacement(source, folder)
        part = folder / PART
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        try:
            for name in source.manifest.files:
                source.copy_file(name, part / name)
            check_identity(source, part)
            _complete(source, part, folder.stat().st_gid if group is None else group)
            part.rename(folder / COMPLETE)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        _sync(folder)
        finish(folder)
    except OSError as error:
        raise IdentityError(f"{folder}: cannot be written: {error.strerror}") from error
    return True


def finish(folder: Path) -> None:
    """Complete an installation that was interrupted. Raises OSError.

    While station.toml is missing, the unit has no identity, and its services do not start.
    """
    if not is_interrupted(folder):
        return
    complete = folder / COMPLETE
    if (complete / SETTINGS).exists():
        if (folder / SETTINGS).exists():
            # The settings of the camera and the line, for whoever needs them again.
            (folder / SETTINGS).replace(folder / f"{SETTINGS}.before")
            _sync(folder)
        for each in sorted(complete.iterdir()):
            if each.name != SETTINGS:
                each.replace(folder / each.name)
        _sync(folder)
        (complete / SETTINGS).replace(folder / SETTINGS)
        _sync(folder)
    complete.rmdir()
    _sync(folder)
    _log.info("identity_installed folder=%s", folder)


def is_installed(source: IdentityFolder, folder: Path) -> bool:
    """Return whether this very identity is installed completely."""
    return has_identity(folder) and _content(folder / MANIFEST_FILE) == source.data


def _complete(source: IdentityFolder, part: Path, group: int) -> None:
    """Give the copied files owner and mode, and add manifest and signature."""
    for name in source.manifest.files:
        descriptor = os.open(part / name, os.O_RDONLY)
        try:
            if os.geteuid() == 0:
                os.fchown(descriptor, 0, group)
            os.fchmod(descriptor, 0o640 if name == "station.key" else 0o644)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    write_durably(part / SIGNATURE_FILE, source.signature, mode=0o644)
    write_durably(part / MANIFEST_FILE, source.data, mode=0o644)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
