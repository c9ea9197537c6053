"""The boot loader's state on the partition ``bootstate``, for U-Boot and for GRUB.

U-Boot: one sector with its environment and a checksum, twice. The first copy that is right counts,
so a power cut spoils at most the one that was being written. GRUB: its environment block of 1,024
bytes, of which the first sector has all that changes.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from edge.updates.system.boot_state import BootState, BootStateError, parse_variables

SECTOR = 512
SECOND = 8 * SECTOR
_GRUB_BYTES = 1024
_GRUB_SEARCHED = 256 << 10
_GRUB_HEAD = "# GRUB Environment Block\n"


class UbootSectors:
    """The state as U-Boot keeps it.

    Synchronization: one process at a time; the callers hold a lock.
    """

    def __init__(self, device: Path) -> None:
        self._device = device

    def read(self) -> BootState:
        """Return the state of the first copy that is right.

        Raises:
            BootStateError: Neither is, or the device cannot be read.
        """
        content = _read(self._device, SECOND + SECTOR)
        for offset in (0, SECOND):
            found = _decode_uboot(content[offset : offset + SECTOR])
            if found is not None:
                return parse_variables(found)
        raise BootStateError(f"{self._device}: both copies of the boot state are damaged")

    def write(self, state: BootState) -> None:
        """Write both copies, one after the other, each to the disk. Raises BootStateError."""
        sector = encode_uboot(state)
        _write(self._device, {0: sector})
        _write(self._device, {SECOND: sector})


class GrubSectors:
    """The state as GRUB keeps it: the file ``grubenv``, the only one on a small FAT partition.

    It is written in place and its length never changes, so the partition need not be mounted.
    Synchronization: as UbootSectors.
    """

    def __init__(self, device: Path) -> None:
        self._device = device

    def read(self) -> BootState:
        """Return the state. Raises BootStateError."""
        text = self._find()[1].decode(errors="replace")
        lines = (line.partition("=") for line in text.splitlines() if "=" in line)
        return parse_variables({name: value for name, _, value in lines})

    def write(self, state: BootState) -> None:
        """Write the block to the disk. Raises BootStateError."""
        _write(self._device, {self._find()[0]: encode_grub(state)})

    def _find(self) -> tuple[int, bytes]:
        content = _read(self._device, _GRUB_SEARCHED)
        for offset in range(0, _GRUB_SEARCHED, SECTOR):
            if content.startswith(_GRUB_HEAD.encode(), offset):
                return offset, content[offset : offset + _GRUB_BYTES]
        raise BootStateError(f"{self._device}: expected an environment block of GRUB")


def encode_uboot(state: BootState) -> bytes:
    """Return one sector: a checksum, then NAME=VALUE, each ended by a zero byte."""
    body = b"".join(f"{name}={value}".encode() + b"\0" for name, value in state.variables().items())
    body = (body + b"\0").ljust(SECTOR - 4, b"\0")
    return struct.pack("<I", zlib.crc32(body)) + body


def encode_grub(state: BootState) -> bytes:
    """Return the environment block, filled with # to its end."""
    text = _GRUB_HEAD + "".join(f"{name}={value}\n" for name, value in state.variables().items())
    return text.encode().ljust(_GRUB_BYTES, b"#")


def _decode_uboot(sector: bytes) -> dict[str, str] | None:
    (checksum,) = struct.unpack_from("<I", sector)
    body = sector[4:]
    if len(sector) != SECTOR or zlib.crc32(body) != checksum:
        return None
    lines = body.split(b"\0\0", 1)[0].split(b"\0")
    pairs = (line.decode(errors="replace").partition("=") for line in lines)
    return {name: value for name, _, value in pairs}


def _read(device: Path, length: int) -> bytes:
    try:
        with device.open("rb", buffering=0) as file:
            content = file.read(length)
    except OSError as error:
        raise BootStateError(f"{device}: cannot be read: {error.strerror}") from error
    if content is None or len(content) != length:
        raise BootStateError(f"{device}: expected {length} bytes, found {len(content or b'')}")
    return content


def _write(device: Path, sectors: dict[int, bytes]) -> None:
    try:
        descriptor = os.open(device, os.O_WRONLY | os.O_SYNC | os.O_CLOEXEC)
        try:
            for offset, content in sectors.items():
                os.pwrite(descriptor, content, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BootStateError(f"{device}: cannot be written: {error.strerror}") from error
