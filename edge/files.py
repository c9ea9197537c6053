"""Files that are there whole or not at all, also after a power loss; and files of somebody else."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

# O_NONBLOCK: neither a FIFO nor a lease of another process (fcntl(2), F_SETLEASE) makes us wait.
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read_plain(path: Path | str, limit: int, *, folder: int | None = None) -> bytes:
    """Return at most ``limit`` + 1 bytes of a plain file that another user may have put there.

    A link is not followed, and nothing that is no plain file is opened to wait for it. folder: a
    directory's descriptor that a relative path is taken from. Raises OSError.
    """
    descriptor = os.open(path, _LOOK, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is no plain file", str(path))
        return file.read(limit + 1)


def open_folder(path: Path) -> int:
    """Open a directory, which must be no link, and return its descriptor. Raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def write_durably(
    path: Path, data: bytes, *, owner: os.stat_result | None = None, mode: int | None = None
) -> None:
    """As ``write_whole``, and after a power loss the file has the new content for sure. Blocks for
    two fsyncs."""
    write_whole(path, data, owner=owner, mode=mode)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_whole(
    path: Path,
    data: bytes,
    *,
    owner: os.stat_result | None = None,
    mode: int | None = None,
    folder: int | None = None,
) -> None:
    """Replace the file in one step, by way of a temporary one in its folder: after a crash or power
    loss it holds the old or the new content, and a write that failed leaves nothing. The temporary
    file is always a new one, so a link that lies in its place leads nowhere. owner: what root
    writes belongs to whom that belongs. mode: its permissions; None: as the umask has it. folder: a
    directory's descriptor that a relative path is taken from. Blocks for an fsync. Raises OSError.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=folder)
        with os.fdopen(os.open(part, _FRESH, 0o666, dir_fd=folder), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if owner is not None and os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise


def is_exposed(path: Path) -> bool:
    """Return whether others than the owner and the group may read or write the file."""
    try:
        return bool(path.stat().st_mode & 0o006)
    except OSError:
        return False


def backup_of(path: Path) -> Path:
    """Where the copy of a file lies that a power cut or a bad block must not take away."""
    return path.with_name(f"{path.stem}.backup{path.suffix}")


def write_twice(path: Path, data: bytes, *, owner: os.stat_result | None = None) -> None:
    """Write the file's copy, then the file, each as ``write_durably`` does. Raises OSError."""
    write_durably(backup_of(path), data, owner=owner)
    write_durably(path, data, owner=owner)
