"""Programs of the machine that builds: one clear line where one is missing or fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from edge.errors import OutfeedError, UsageError

_NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "mksquashfs": "squashfs-tools",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "cpio": "cpio",
    "depmod": "kmod",
}


class ImageError(OutfeedError):
    """An image or a bundle of a system cannot be built."""


def run(*command: str, epoch_s: int, stdin: bytes | None = None, cwd: Path | None = None) -> bytes:
    """Run a program to its end and return its output.

    Raises:
        ImageError: It fails. The message has its last lines.
    """
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(epoch_s),
        "E2FSPROGS_FAKE_TIME": str(epoch_s),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=cwd, env=environment, check=False
        )
    except OSError as error:
        raise ImageError(f"{command[0]}: cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise ImageError(f"{command[0]}: {'; '.join(lines[-3:]) or 'failed without a message'}")
    return done.stdout


def check_programs(*further: tuple[str, str]) -> None:
    """Raise UsageError, naming the packages, where a program is missing or this is not root."""
    needed = {**_NEEDED, **dict(further)}
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = sorted(
        {package for program, package in needed.items() if not shutil.which(program, path=path)}
    )
    if missing:
        raise UsageError(f"missing programs: apt install {' '.join(missing)}")
    if os.geteuid() != 0:
        raise UsageError("expected to run as root, for the owners of files")
