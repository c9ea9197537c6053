"""Atomic replacement of files, backup copies, and safe reading of files that another user wrote.

After a crash or a power loss a file that was written here holds its old or its new content, never
a part of it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

# O_NONBLOCK: open(2) waits neither for a FIFO nor for the lease of another process (fcntl(2),
# F_SETLEASE).
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read_regular_file(path: Path | str, limit: int, *, folder: int | None = None) -> bytes:
    """Return at most ``limit`` + 1 bytes of a regular file that another user may have created.

    A longer result than ``limit`` therefore means that the file is too large. Links are not
    followed. A FIFO, device or folder is refused without waiting for it.

    Args:
        path: The file.
        limit: The size in bytes that the caller accepts.
        folder: Descriptor of the folder to which a relative path belongs.

    Raises:
        OSError: The file cannot be read, or is not a regular file.
    """
    descriptor = os.open(path, _READ_FLAGS, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(descriptor)


def open_folder(path: Path) -> int:
    """Open a folder and return its descriptor. Raises OSError, also where the path is a link."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def write_atomically(
    path: Path,
    content: bytes | str,
    *,
    owner: os.stat_result | None = None,
    mode: int | None = None,
    folder: int | None = None,
) -> None:
    """Replace a file in one step, through a temporary file in the same folder.

    After a crash or a power loss the file holds the old or the new content. A failed write leaves
    the old file and no temporary one. The temporary file is created anew each time (O_EXCL), so
    that an existing link under its name is not followed. Blocks for one fsync, of the file.

    Args:
        path: The file.
        content: Bytes, or text that is written as UTF-8.
        owner: Where root writes: the file gets this user and group.
        mode: Permissions of the file; None: those that the umask gives.
        folder: Descriptor of the folder to which a relative path belongs.

    Raises:
        OSError: The file cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        with os.fdopen(os.open(part, _CREATE_FLAGS, 0o666, dir_fd=folder), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if owner is not None and os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise


def write_durably(
    path: Path,
    content: bytes | str,
    *,
    owner: os.stat_result | None = None,
    mode: int | None = None,
) -> None:
    """Write like ``write_atomically``, and then make the replacement itself survive a power loss.

    Once this function has returned, the file holds the new content also after a power loss. Blocks
    for two fsyncs, of the file and of its folder. Raises OSError.
    """
    write_atomically(path, content, owner=owner, mode=mode)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def backup_path(path: Path) -> Path:
    """Return the path of a file's backup, for instance ``index.backup.json`` of ``index.json``.

    The backup is read where a power loss or a bad block has damaged the file.
    """
    return path.with_name(f"{path.stem}.backup{path.suffix}")


def write_with_backup(
    path: Path, content: bytes | str, *, owner: os.stat_result | None = None
) -> None:
    """Write the backup and then the file, each like ``write_durably``. Raises OSError."""
    write_durably(backup_path(path), content, owner=owner)
    write_durably(path, content, owner=owner)


def is_exposed(path: Path) -> bool:
    """Return True if users other than the owner and the group may read or write the file."""
    try:
        return bool(path.stat().st_mode & 0o006)
    except OSError:
        return False
