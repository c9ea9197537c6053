"""The disk image: a GPT with the same layout on every board, and each part at its place."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tools.image.board import MIB, Board
from tools.image.commands import ImageError, run

DATA_BYTES = 256 * MIB
_SPACE = uuid.UUID("6f757466-6565-4400-8000-000000000000")
# Types of partitions by sgdisk's codes: an EFI system partition, Linux data, and /var, whose type
# systemd-repart finds again when it grows the partition at the first start.
_EFI, _LINUX, _VAR = "EF00", "8300", "8310"


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: its number is its place in the list, from 1."""

    name: str
    kind: str
    size: int


def layout(board: Board) -> tuple[Partition, ...]:
    """Return the partitions of a board. Numbers 1 to 3 are those that firmware and scripts name."""
    return (
        Partition("config", _EFI, 64 * MIB),
        Partition("boot-a", _LINUX, board.boot_bytes),
        Partition("boot-b", _LINUX, board.boot_bytes),
        Partition("system-a", _LINUX, board.system_bytes),
        Partition("system-b", _LINUX, board.system_bytes),
        Partition("bootstate", _LINUX, MIB),
        Partition("data", _VAR, DATA_BYTES),
    )


def make_disk(
    board: Board, contents: Mapping[str, Path], out: Path, *, epoch_s: int
) -> Mapping[str, int]:
    """Write the disk image and return the offset of each partition in bytes.

    Args:
        contents: Files by the names of partitions; without one a partition is empty.

    Raises:
        ImageError: A file is larger than its partition.
    """
    partitions = layout(board)
    out.unlink(missing_ok=True)
    with out.open("wb") as file:
        file.truncate(sum(each.size for each in partitions) + 2 * MIB)
    options = ["--clear", f"--disk-guid={uuid.uuid5(_SPACE, board.name)}"]
    offsets: dict[str, int] = {}
    offset = MIB
    for number, each in enumerate(partitions, 1):
        first, last = offset // 512, (offset + each.size) // 512 - 1
        options += [
            f"--new={number}:{first}:{last}",
            f"--typecode={number}:{each.kind}",
            f"--change-name={number}:{each.name}",
            f"--partition-guid={number}:{uuid.uuid5(_SPACE, f'{board.name}/{each.name}')}",
        ]
        offsets[each.name] = offset
        offset += each.size
    run("sgdisk", "--set-alignment=1", *options, str(out), epoch_s=epoch_s)
    with out.open("r+b") as disk:
        for each in partitions:
            if each.name in contents:
                _copy(contents[each.name], disk, offsets[each.name], each)
    return offsets


def make_data(out: Path, board: Board, *, epoch_s: int) -> Path:
    """Write the empty file system of the data partition."""
    out.unlink(missing_ok=True)
    number = uuid.uuid5(_SPACE, f"{board.name}/data-files")
    # lazy_itable_init=0: the kernel would write the tables in the background on the unit.
    run(
        *("mke2fs", "-q", "-t", "ext4", "-L", "data", "-U", str(number), "-m", "1"),
        *("-E", f"hash_seed={number},lazy_itable_init=0,lazy_journal_init=0"),
        *(str(out), f"{DATA_BYTES // 1024}k"),
        epoch_s=epoch_s,
    )
    return out


def _copy(source: Path, file: BinaryIO, offset: int, partition: Partition) -> None:
    """Copy without writing zeros, so that the image stays sparse."""
    size = source.stat().st_size
    if size > partition.size:
        raise ImageError(
            f"{source.name}: {size} bytes do not fit into {partition.name} ({partition.size} bytes)"
        )
    with source.open("rb") as content:
        while block := content.read(MIB):
            if block.count(0) != len(block):
                file.seek(offset)
                file.write(block)
            offset += len(block)
