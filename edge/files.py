"""Files that are there whole or not at all, also after a power loss."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


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
    path: Path, data: bytes, *, owner: os.stat_result | None = None, mode: int | None = None
) -> None:
    """Replace the file in one step, by way of a temporary one in its folder: after a crash or power
    loss it holds the old or the new content, and a write that failed leaves nothing. owner: what
    root writes belongs to whom that belongs. mode: its permissions; None: as the umask has it.
    Blocks for an fsync. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            if owner is not None and os.geteuid() == 0:
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
