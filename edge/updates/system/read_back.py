"""The comparison of what a disk really has with what was to be written. RAUC does not do it."""

from __future__ import annotations

import hashlib
import mmap
import os
import time
from pathlib import Path

from edge.updates.system.offer import SlotImage, SystemUpdateError

_BLOCK = 1 << 20


def device_sha256(device: Path, size: int, *, pause_s: float = 0.0) -> str:
    """Return the SHA-256 of the first ``size`` bytes, past the page cache where that is possible.

    Args:
        pause_s: The rest after each MiB, so that other readers of the disk come first.

    Raises:
        SystemUpdateError: The device cannot be read, or is shorter.
    """
    digest = hashlib.sha256()
    try:
        try:
            descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
        except OSError:  # a file system without direct access, as in tests
            descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            with mmap.mmap(-1, _BLOCK) as block:  # aligned, as direct access demands
                left = size
                while left:
                    found = os.preadv(descriptor, [block], size - left)
                    if not found:
                        raise SystemUpdateError(
                            f"{device}: ends {left} bytes before the end of the image"
                        )
                    digest.update(block[: min(found, left)])
                    left -= min(found, left)
                    if pause_s:
                        time.sleep(pause_s)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SystemUpdateError(f"{device}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def check_written(image: SlotImage, device: Path, *, pause_s: float = 0.0) -> None:
    """Raise SystemUpdateError where the device does not have the image."""
    found = device_sha256(device, image.size, pause_s=pause_s)
    if found != image.sha256:
        raise SystemUpdateError(
            f"{device}: read back {found[:12]}, expected {image.sha256[:12]}: the disk does not "
            "keep what is written to it"
        )
