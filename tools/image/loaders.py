"""The files of the boot loaders: those of a slot, and those that choose the slot."""

from __future__ import annotations

from pathlib import Path

from tools.image.base import LISTS
from tools.image.board import Board
from tools.image.commands import ImageError, run
from tools.image.raspberry import first_files, slot_files
from tools.image.root import SystemRoot

_GRUB_MODULES = (
    *("part_gpt", "fat", "normal", "configfile", "search", "search_label", "loadenv", "regexp"),
    *("test", "echo", "linux", "reboot", "sleep", "serial", "terminal", "all_video", "boot"),
)
_GRUB_FIRST = "search --no-floppy --set=root --label OUTFEED\nconfigfile /grub.cfg\n"


def boot_files(
    board: Board,
    system: SystemRoot,
    initrd: bytes,
    arguments: str,
    firmware: dict[str, bytes],
) -> dict[str, bytes]:
    """Return the files of a boot partition. They are the same in both slots."""
    if board.loader == "tryboot":
        return slot_files(firmware, initrd, arguments)
    if system.kernel is None:
        raise ImageError(f"BOARD={board.name}: the base system has no kernel")
    files = {"vmlinuz": system.kernel.read_bytes(), "initrd.img": initrd}
    if board.loader == "uboot":
        files["boot.env"] = f"bootargs={arguments}\n".encode()
    else:
        files["boot.cfg"] = f'set bootargs="{arguments}"\n'.encode()
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
    if board.loader == "grub":
        first, program = folder / "first.cfg", folder / "bootx64.efi"
        first.write_text(_GRUB_FIRST)
        run(
            *("grub-mkimage", "-O", "x86_64-efi", "-p", "/", "-c", str(first), "-o", str(program)),
            *_GRUB_MODULES,
            epoch_s=epoch_s,
        )
        script = LISTS / "grub.cfg"
        return {"EFI/BOOT/BOOTX64.EFI": program.read_bytes(), "grub.cfg": script.read_bytes()}
    return first_files()
