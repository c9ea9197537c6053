"""A small file that is written in place, in two blocks by turns: one that is cut short leaves the
other.

A new file for every write, renamed into place, costs an ext4 74 kB a time and this 4 kB
(bench/disk_usage.py). A full disk refuses it nothing, once it is there.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from edge.files import read_regular_file, write_durably

BLOCK_BYTES = 4096  # a page of the file system: neither write touches the other's


def read_blocks(path: Path) -> list[bytes]:
    """The texts of the blocks that are whole. Raises OSError."""
    return list(_texts(read_regular_file(path, 2 * BLOCK_BYTES)))


def write_block(path: Path, text: bytes, turn: int) -> None:
    """Write the text as block ``turn`` modulo 2; makes a file that is not there. Blocks for an
    fsync. One writer. Raises OSError."""
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
        # A file of an earlier version is one text and nothing else.
        if not newline or rest.split() == [b"%08x" % zlib.crc32(text)]:
            yield text
