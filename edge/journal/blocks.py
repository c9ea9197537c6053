"""A small file that is written in place, in two blocks that alternate.

A write that is cut short leaves the other block intact. On ext4, replacing the whole file writes
74 kB each time, and this writes 4 kB (bench/disk_usage.py). Once the file exists, a full disk does
not prevent a write.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from edge.files import read_regular_file, write_durably

BLOCK_BYTES = 4096  # a page of the file system, so that a write never touches the other block


def read_blocks(path: Path) -> list[bytes]:
    """Return the texts of the intact blocks. Raises OSError."""
    return list(_texts(read_regular_file(path, 2 * BLOCK_BYTES)))


def write_block(path: Path, text: bytes, turn: int) -> None:
    """Write the text as block ``turn`` modulo 2. A missing file is created.

    Blocks for an fsync. For one writer. Raises OSError.
    """
    data = (text + b"\n%08x\n" % zlib.crc32(text)).ljust(BLOCK_BYTES)
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        write_durably(path, data.ljust(2 * BLOCK_BYTES))
        return
    try:
        os.pwrite(file, data, turn % 2 * BLOCK_BYTES)
        os.fdatasync(file)
    finally:
        os.close(file)


def _texts(data: bytes) -> Iterator[bytes]:
    for block in (data[:BLOCK_BYTES], data[BLOCK_BYTES:]):
        text, newline, rest = block.partition(b"\n")
        # A file of an earlier version has one text and no checksum.
        if not newline or rest.split() == [b"%08x" % zlib.crc32(text)]:
            yield text
