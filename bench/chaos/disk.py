"""A separate disk for the line, which can be filled."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from edge.errors import OutfeedError

_DISK_MB = 96


class StateDisk:
    """An ext4 on a loop device where root may mount, else a plain folder (``is_real`` is False).

    ``fill`` leaves no free byte, not even for root. ``free`` undoes it.
    """

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._filler = folder / "filler"
        with image.open("wb") as file:
            file.truncate(_DISK_MB << 20)
        self.is_real = _succeeds("mkfs.ext4", "-q", "-m", "0", image) and _succeeds(
            "mount", "-o", "loop", image, folder
        )

    def fill(self) -> None:
        """Allocate every free block. Blocks for about 50 ms."""
        if not self.is_real:
            raise OutfeedError("chaos: expected a separate disk to fill; mounting one needs root")
        file = os.open(self._filler, os.O_WRONLY | os.O_CREAT)
        try:
            for step in (1 << 20, 1 << 12):
                while True:
                    size = os.fstat(file).st_size
                    try:
                        os.posix_fallocate(file, size, step)
                    except OSError:
                        break
        finally:
            os.close(file)

    def free(self) -> None:
        """Free the blocks."""
        with suppress(FileNotFoundError):
            self._filler.unlink()

    def close(self) -> None:
        """Unmount the disk lazily."""
        self.free()
        if self.is_real:
            subprocess.run(["umount", "-l", self.folder], check=False)


def _succeeds(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
