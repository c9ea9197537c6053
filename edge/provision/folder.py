"""A folder of new files that is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import OutfeedError


class ProvisionError(OutfeedError):
    """A file of the plant's authority cannot be used, or a new folder cannot be written."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """private: readable by its owner only."""

    data: bytes
    private: bool = False


def read_file(path: Path) -> bytes:
    """Raises ProvisionError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be read: {error.strerror}") from error


def write_folder(
    path: Path,
    files: Mapping[str, NewFile],
    check: Callable[[Path], object] = lambda folder: None,
) -> None:
    """Make ``path`` with these files, in one step, by way of a folder beside it. ``check`` may look
    at that one first and raise. Blocks for an fsync per file.

    Raises ProvisionError where something is there already (an empty folder is taken), or where it
    cannot be written; nothing is left behind then.
    """
    path = path.absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ProvisionError(f"{path}: is there already; nothing is ever overwritten")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        for name, file in files.items():
            _write(part / name, file)
        check(part)
        part.chmod(0o755)
        part.rename(path)
        _sync(path.parent)
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(path: Path, file: NewFile) -> None:
    mode = 0o600 if file.private else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as handle:
        os.fchmod(descriptor, mode)  # whatever the umask
        handle.write(file.data)
        handle.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
