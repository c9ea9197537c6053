"""The atomic creation of a folder with new files."""

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
    """A file to write. private: only its owner may read it."""

    data: bytes
    private: bool = False


def read_file(path: Path) -> bytes:
    """Return the bytes of a file. Raises ProvisionError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be read: {error.strerror}") from error


def write_folder(
    path: Path,
    files: Mapping[str, NewFile],
    check: Callable[[Path], object] = lambda folder: None,
) -> None:
    """Create the folder ``path`` with these files in one step, through a temporary folder.

    An empty folder at the path is replaced. Blocks for an fsync for each file.

    Args:
        path: The new folder.
        files: The files by name.
        check: Called with the temporary folder; it may raise to prevent the creation.

    Raises:
        ProvisionError: The path exists and is not an empty folder, or it cannot be written. No file
            is left then.
    """
    path = path.absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ProvisionError(f"{path}: exists already; nothing is ever overwritten")
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
        os.fchmod(descriptor, mode)  # independent of the umask
        handle.write(file.data)
        handle.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
