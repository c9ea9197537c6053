"""The bundle that updates a system: RAUC's format verity, signed."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from edge.bundle.version import VERSION_PATTERN
from edge.errors import UsageError
from tools.image.board import Board
from tools.image.commands import ImageError, check_programs, run


@dataclass(frozen=True, slots=True)
class SystemSigner:
    """The signer of a system.

    Attributes:
        certificate: The certificate, as PEM.
        key: The private key, as PEM or a PKCS#11 address.
    """

    certificate: Path
    key: Path


def build_bundle(
    board: Board, parts: Path, out: Path, *, version: str, signer: SystemSigner, epoch_s: int
) -> Path:
    """Write ``outfeed-BOARD-VERSION.raucb`` and return its path.

    Args:
        parts: The folder with ``system.img`` and ``boot.img`` of ``make image``.

    Raises:
        UsageError: A file is missing, or the board takes no updates.
        ImageError: RAUC refuses.
    """
    if board.loader == "none":
        raise UsageError(
            f"BOARD={board.name}: has no second slot, and takes no updates of the system"
        )
    if not re.match(VERSION_PATTERN, version):
        raise UsageError(f"VERSION: expected numbers with dots, found '{version}'")
    for path in (parts / "system.img", parts / "boot.img", signer.certificate):
        if not path.is_file():
            raise UsageError(f"expected a file, found none at {path}")
    check_programs(("rauc", "rauc"), ("mksquashfs", "squashfs-tools"))
    folder = out / f".{board.name}-bundle"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = [
        *("[update]", f"compatible={board.compatible}", f"version={version}", ""),
        *("[bundle]", "format=verity", ""),
    ]
    for name in ("system", "boot"):
        (folder / f"{name}.img").hardlink_to(parts / f"{name}.img")
        lines += [f"[image.{name}]", f"filename={name}.img", ""]
    (folder / "manifest.raucm").write_text("\n".join(lines))
    target = out / f"outfeed-{board.name}-{version}.raucb"
    part = out / f".{target.name}.part"
    part.unlink(missing_ok=True)
    try:
        # The system is compressed already; the boot partition is mostly empty.
        options = ("--mksquashfs-args=-processors 1 -comp gzip",)
        keys = (f"--cert={signer.certificate}", f"--key={signer.key}")
        run("rauc", "bundle", *keys, *options, str(folder), str(part), epoch_s=epoch_s)
    except ImageError as error:
        part.unlink(missing_ok=True)
        raise ImageError(f"{target.name}: {error}") from error
    finally:
        shutil.rmtree(folder)
    part.replace(target)
    return target
