"""The files of the boot loaders: those of a slot, and those that choose the slot."""

from __future__ import annotations

from pathlib import Path

from tools.image.base import LISTS
from tools.image.board import Board
from tools.image.commands import run
from tools.image.root import SystemRoot


def boot_files(board: Board, system: SystemRoot, initrd: bytes, arguments: str) -> dict[str, bytes]:
    """Return the files of a boot partition. They are the same in both slots."""
    assert system.kernel is not None
    files = {"vmlinuz": system.kernel.read_bytes(), "initrd.img": initrd}
    if board.loader == "uboot":
        files["boot.env"] = f"bootargs={arguments}\n".encode()
    return files


def config_files(board: Board, folder: Path, *, epoch_s: int) -> dict[str, bytes]:
    """Return the files of the first partition: what the firmware reads before a slot is chosen."""
    if board.loader == "uboot":
        script = folder / "boot.scr"
        run(
            *("mkimage", "-A", "arm64", "-T", "script", "-n", "outfeed"),
            *("-d", str(LISTS / "boot.cmd"), str(script)),
            epoch_s=epoch_s,
        )
        return {"boot.scr": script.read_bytes()}
    return {}
