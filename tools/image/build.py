"""From a board and a package to the files of an image."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edge.bundle.version import VERSION_PATTERN
from edge.errors import UsageError
from edge.updates.system.boot_sectors import SECOND, encode_grub, encode_uboot
from edge.updates.system.boot_state import BootState
from tools.image.base import LISTS, make_base
from tools.image.board import MIB, Board
from tools.image.commands import check_programs, run
from tools.image.disk import make_data, make_disk
from tools.image.fat import make_fat
from tools.image.initrd import make_initrd
from tools.image.loaders import boot_files, config_files
from tools.image.raspberry import find_modules, read_firmware
from tools.image.root import (
    SystemRoot,
    SystemSource,
    check_packages,
    file_sha256,
    make_root,
    squash,
)

PANIC = "panic=10 quiet ro"


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """The arguments of ``make image``.

    Attributes:
        board: The board.
        package: outfeed_VERSION_ARCH.deb; None only to check the rest.
        keys: The certificates whose updates units accept.
        out: The folder for all files.
        version: What the system calls itself.
        firmware: For rpi, the folder of Raspberry Pi's boot files.
        mirror: The address of a Debian mirror; empty takes that of this machine.
        packages: A list that the packages of the image must equal; None takes what is there.
        epoch_s: The time of the source.
    """

    board: Board
    package: Path | None
    keys: Path | None
    out: Path
    version: str
    firmware: Path | None
    mirror: str
    packages: Path | None
    epoch_s: int


def check_request(request: ImageRequest) -> None:
    """Raise UsageError, in one line, for what is missing before anything is built."""
    if not re.match(VERSION_PATTERN, request.version):
        raise UsageError(f"VERSION: expected numbers with dots, found '{request.version}'")
    if request.keys is None or not request.keys.is_file():
        raise UsageError("SYSTEM_KEYS: expected a file of the certificates whose updates are taken")
    if request.board.loader == "tryboot":
        read_firmware(request.firmware)
        find_modules(request.firmware or Path())
    elif request.firmware is not None:
        raise UsageError("FIRMWARE: expected only for BOARD=rpi")
    for path in (request.package, request.packages):
        if path is not None and not path.is_file():
            raise UsageError(f"expected a file, found none at {path}")
    check_programs(("sgdisk", "gdisk"), ("mkimage", "u-boot-tools"))


def build_image(request: ImageRequest) -> list[Path]:
    """Build the image of a board and return the files that were written.

    ``outfeed-BOARD.img`` is the disk. ``system.img`` and ``boot.img`` are the parts of an update.
    ``outfeed-BOARD.packages.txt`` lists the Debian packages with their hashes.

    Raises:
        UsageError: A file is missing. ImageError: A step fails.
    """
    board, epoch_s = request.board, request.epoch_s
    if request.package is None or request.keys is None:
        raise UsageError("package: expected outfeed_VERSION_ARCH.deb")
    out = request.out / board.name
    out.mkdir(parents=True, exist_ok=True)
    base = make_base(board, request.out, mirror=request.mirror, epoch_s=epoch_s)
    modules = find_modules(request.firmware) if request.firmware is not None else None
    source = SystemSource(base, request.package, request.version, request.keys, modules)
    system = make_root(board, source, out, epoch_s=epoch_s)
    check_packages(system.packages, request.packages)
    packages = request.out / f"outfeed-{board.name}.packages.txt"
    packages.write_text("\n".join(system.packages) + "\n")
    bill = write_bill(system.packages, board, request)
    if board.loader == "none":
        return [*pack_root(board, system, request), packages, bill]
    parts = {"system": squash(system.folder, out / "system.img", epoch_s=epoch_s)}
    initrd = make_initrd(system, out, epoch_s=epoch_s)
    firmware = read_firmware(request.firmware) if board.loader == "tryboot" else {}
    arguments = f"{board.arguments} {PANIC}".strip()
    files = boot_files(board, system, initrd, arguments, firmware)
    parts["boot"] = make_fat(
        out / "boot.img", files, label="BOOT", size=_boot_size(board, files), epoch_s=epoch_s
    )
    state = make_state(board, out / "bootstate.img", epoch_s=epoch_s)
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
    sums = request.out / f"outfeed-{board.name}.sha256"
    sums.write_text(f"{file_sha256(disk)}  {disk.name}\n")
    for each in (out / "root", out / "kernel", out / "initrd"):
        run("rm", "-rf", str(each), epoch_s=epoch_s)
    return [disk, sums, packages, bill, *parts.values()]


def pack_root(board: Board, system: SystemRoot, request: ImageRequest) -> list[Path]:
    """Write the root file system as an archive, with the page that states how to use it."""
    archive = request.out / f"outfeed-{board.name}.tar"
    run(
        *("tar", "--create", "--numeric-owner", "--sort=name", f"--mtime=@{request.epoch_s}"),
        *("--clamp-mtime", "--file", str(archive), "--directory", str(system.folder), "."),
        epoch_s=request.epoch_s,
    )
    page = request.out / f"outfeed-{board.name}.txt"
    page.write_text((LISTS / "jetson.txt").read_text())
    run("rm", "-rf", str(system.folder), epoch_s=request.epoch_s)
    return [archive, page]


def write_bill(packages: tuple[str, ...], board: Board, request: ImageRequest) -> Path:
    """Write the bill of materials of the Debian packages (CycloneDX 1.5).

    The Python libraries have their own, in /usr/share/doc/outfeed/station.cdx.json.
    """
    parts = []
    for line in packages:
        name, version, architecture, digest = line.split()
        parts.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:deb/debian/{name}@{quote(version)}?arch={architecture}",
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
        )
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "operating-system",
                "name": board.compatible,
                "version": request.version,
            }
        },
        "components": parts,
    }
    path = request.out / f"outfeed-{board.name}.cdx.json"
    path.write_text(json.dumps(bill, indent=1) + "\n")
    return path


def _boot_size(board: Board, files: dict[str, bytes]) -> int:
    """Return a size that holds the files, in whole MiB, of the partition at most."""
    wanted = sum(len(content) for content in files.values()) + 4 * MIB
    return min(board.boot_bytes, -(-wanted // (8 * MIB)) * 8 * MIB)


def make_state(board: Board, out: Path, *, epoch_s: int) -> Path:
    """Write the first content of the partition ``bootstate``."""
    state = BootState()
    if board.loader == "grub":
        files = {"grubenv": encode_grub(state)}
        return make_fat(out, files, label="BOOTSTATE", size=MIB, epoch_s=epoch_s)
    sector = encode_uboot(state)
    out.write_bytes(sector.ljust(SECOND, b"\0") + sector if board.loader == "uboot" else b"\0")
    return out
