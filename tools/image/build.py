"""From a board and a package to the files of an image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge.errors import UsageError
from edge.updates.system.boot_sectors import SECOND, encode_grub, encode_uboot
from edge.updates.system.boot_state import BootState
from tools.image.base import make_base
from tools.image.board import MIB, Board
from tools.image.commands import check_programs, run
from tools.image.disk import make_data, make_disk
from tools.image.fat import make_fat
from tools.image.initrd import make_initrd
from tools.image.loaders import boot_files, config_files
from tools.image.root import SystemSource, make_root, squash

PANIC = "panic=10 quiet ro"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What ``make image`` was asked for."""

    board: Board
    package: Path
    keys: Path
    out: Path
    version: str
    firmware: Path | None
    mirror: str
    epoch_s: int


def build_image(request: ImageRequest) -> list[Path]:
    """Build the image of a board and return the files that were written.

    ``outfeed-BOARD.img`` is the disk. ``system.img`` and ``boot.img`` are the parts of an update.
    ``packages.txt`` lists the Debian packages with their hashes.

    Raises:
        UsageError: A file is missing. ImageError: A step fails.
    """
    board, epoch_s = request.board, request.epoch_s
    for name, path in (("package", request.package), ("keys", request.keys)):
        if not path.is_file():
            raise UsageError(f"{name}: expected a file, found none at {path}")
    check_programs(("sgdisk", "gdisk"), ("mkimage", "u-boot-tools"))
    out = request.out / board.name
    out.mkdir(parents=True, exist_ok=True)
    base = make_base(board, request.out, mirror=request.mirror, epoch_s=epoch_s)
    source = SystemSource(base, request.package, request.version, request.keys)
    system = make_root(board, source, out, epoch_s=epoch_s)
    parts = {"system": squash(system.folder, out / "system.img", epoch_s=epoch_s)}
    initrd = make_initrd(system, out, epoch_s=epoch_s)
    files = boot_files(board, system, initrd, f"{board.arguments} {PANIC}".strip())
    parts["boot"] = make_fat(
        out / "boot.img", files, label="BOOT", size=_boot_size(board, files), epoch_s=epoch_s
    )
    state = out / "bootstate.img"
    state.write_bytes(_state(board))
    config = config_files(board, out, epoch_s=epoch_s)
    first = make_fat(out / "config.img", config, label="OUTFEED", size=64 * MIB, epoch_s=epoch_s)
    contents = {
        "config": first,
        "boot-a": parts["boot"],
        "system-a": parts["system"],
        "bootstate": state,
        "data": make_data(out / "data.img", board, epoch_s=epoch_s),
    }
    disk = request.out / f"outfeed-{board.name}.img"
    make_disk(board, contents, disk, epoch_s=epoch_s)
    packages = request.out / f"outfeed-{board.name}.packages.txt"
    packages.write_text("\n".join(system.packages) + "\n")
    sums = request.out / f"outfeed-{board.name}.sha256"
    digest = hashlib.file_digest(disk.open("rb"), "sha256").hexdigest()
    sums.write_text(f"{digest}  {disk.name}\n")
    for each in (out / "root", out / "kernel", out / "initrd"):
        run("rm", "-rf", str(each), epoch_s=epoch_s)
    return [disk, sums, packages, *parts.values()]


def _boot_size(board: Board, files: dict[str, bytes]) -> int:
    """Return a size with room for the files, in whole MiB, of the partition at most."""
    wanted = sum(len(content) for content in files.values()) + 4 * MIB
    return min(board.boot_bytes, -(-wanted // (8 * MIB)) * 8 * MIB)


def _state(board: Board) -> bytes:
    state = BootState()
    if board.loader == "uboot":
        sector = encode_uboot(state)
        return sector.ljust(SECOND, b"\0") + sector
    if board.loader == "grub":
        return encode_grub(state)
    return b"\0"
