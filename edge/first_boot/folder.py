"""The folder of an identity on a card, a USB stick or anywhere else: reading and erasure."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.errors import OutfeedError
from edge.files import open_folder, read_regular_file
from edge.provision import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    SIGNATURE_FILE,
    IdentityFile,
    IdentityManifest,
    ProvisionError,
    parse_manifest,
)

_BLOCK_BYTES = 1 << 20
_MAX_SIGNATURE_BYTES = 256


class IdentityError(OutfeedError):
    """An identity cannot be imported. The message names the file and what was expected."""


@dataclass(frozen=True, slots=True)
class IdentityFolder:
    """A folder with an identity, whose manifest was read. The signature is not verified yet."""

    path: Path
    data: bytes
    signature: bytes
    manifest: IdentityManifest

    @classmethod
    def read(cls, path: Path) -> IdentityFolder:
        """Read manifest and signature. Links are not followed. Raises IdentityError.

        A signature that is missing is empty: an erasure that was interrupted has removed it.
        """
        with _opened(path) as folder:
            data = _small(path, MANIFEST_FILE, MAX_MANIFEST_BYTES, folder)
            signature = b""
            if (path / SIGNATURE_FILE).exists():
                signature = _small(path, SIGNATURE_FILE, _MAX_SIGNATURE_BYTES, folder)
        try:
            manifest = parse_manifest(data)
        except ProvisionError as error:
            raise IdentityError(f"{path / MANIFEST_FILE}: {error}") from error
        return cls(path, data, signature, manifest)

    def copy_file(self, name: str, target: Path) -> None:
        """Copy a file of the manifest to a new file, and compare its size and its hash on the way.

        Raises IdentityError where it differs or cannot be read, and OSError for the target.
        """
        expected = self.manifest.files[name]
        source = self.path / name
        with (
            _opened(self.path) as folder,
            _regular(source, name, folder) as descriptor,
            target.open("xb") as file,
        ):
            _copy(source, descriptor, file.fileno(), expected)
            os.fsync(file.fileno())

    def erase(self) -> None:
        """Overwrite and remove the files of the identity, the key first and the manifest last.

        Where it is interrupted, the manifest is still there, and a second call goes on. Other files
        stay. A flash card may keep old blocks that were overwritten. Raises OSError.
        """
        names = sorted(self.manifest.files, key=lambda name: name != "station.key")
        with _opened(self.path) as folder:
            for name in names:
                with suppress(FileNotFoundError):
                    if name != self.manifest.bundle:  # it is no secret, and large
                        _overwrite(name, folder)
                    os.unlink(name, dir_fd=folder)
            os.fsync(folder)
            for name in (SIGNATURE_FILE, MANIFEST_FILE):
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                os.fsync(folder)
        try:
            self.path.rmdir()
        except OSError as error:
            # A mount point, or a folder with other files.
            if error.errno not in (errno.ENOTEMPTY, errno.EBUSY, errno.EEXIST):
                raise


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        folder = open_folder(path)
    except OSError as error:
        raise IdentityError(f"{path}: expected a folder: {error.strerror}") from error
    try:
        yield folder
    finally:
        os.close(folder)


def _small(path: Path, name: str, most_bytes: int, folder: int) -> bytes:
    try:
        data = read_regular_file(name, most_bytes, folder=folder)
    except OSError as error:
        raise IdentityError(f"{path / name}: cannot be read: {error.strerror}") from error
    if len(data) > most_bytes:
        raise IdentityError(f"{path / name}: has more than {most_bytes} bytes")
    return data


@contextmanager
def _regular(path: Path, name: str, folder: int) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise IdentityError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IdentityError(f"{path}: is not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _copy(path: Path, source: int, target: int, expected: IdentityFile) -> None:
    digest, size = hashlib.sha256(), 0
    while True:
        try:
            block = os.read(source, _BLOCK_BYTES)
        except OSError as error:
            raise IdentityError(f"{path}: cannot be read: {error.strerror}") from error
        if not block:
            break
        size += len(block)
        if size > expected.size:
            break
        digest.update(block)
        view = memoryview(block)
        while view:
            view = view[os.write(target, view) :]
    if size != expected.size:
        found = "more" if size > expected.size else str(size)
        raise IdentityError(f"{path}: expected {expected.size} bytes as in the manifest: {found}")
    if digest.hexdigest() != expected.sha256:
        raise IdentityError(f"{path}: differs from the hash in the manifest: copy the folder again")


def _overwrite(name: str, folder: int) -> None:
    """Write zeros over the content of a file."""
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        left = os.fstat(descriptor).st_size
        while left > 0:
            left -= os.write(descriptor, bytes(min(left, _BLOCK_BYTES)))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
