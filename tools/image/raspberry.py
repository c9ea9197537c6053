"""Raspberry Pi's boot files: an input, because Debian does not distribute them."""

from __future__ import annotations

from pathlib import Path

from edge.errors import UsageError
from edge.updates.system.tryboot import AUTOBOOT, autoboot

_KERNELS = ("kernel8.img", "kernel_2712.img")
_STARTS = ("start4.elf", "start.elf")
# A boot partition that holds these updates the EEPROM and stops, with slots or without (rpi-eeprom
# issue 499).
_FORBIDDEN = ("pieeprom", "recovery", "vl805")
_CONFIG = """\
# Both slots have the same file. The firmware states in the device tree which partition it started.
arm_64bit=1
auto_initramfs=0
initramfs initrd.img followkernel
dtparam=watchdog=on
enable_uart=1
camera_auto_detect=1
"""


def read_firmware(folder: Path | None) -> dict[str, bytes]:
    """Return the boot files of a folder, as /boot/firmware of Raspberry Pi OS has them.

    Raises:
        UsageError: The folder is missing, incomplete, or would update the EEPROM.
    """
    if folder is None or not folder.is_dir():
        raise UsageError(
            "FIRMWARE: BOARD=rpi needs a folder with Raspberry Pi's boot files and modules/VERSION"
        )
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "modules" not in path.relative_to(folder).parts[:1]
    }
    for name in files:
        if name.lower().startswith(_FORBIDDEN):
            raise UsageError(f"FIRMWARE: {name} would update the EEPROM at each start: remove it")
    if not any(name in files for name in _KERNELS):
        raise UsageError(f"FIRMWARE: expected {' or '.join(_KERNELS)} in {folder}")
    if not any(name in files for name in _STARTS) and "kernel_2712.img" not in files:
        raise UsageError(f"FIRMWARE: expected {' or '.join(_STARTS)} in {folder}")
    if not any(name.endswith(".dtb") for name in files):
        raise UsageError(f"FIRMWARE: expected device trees (bcm2711-rpi-4-b.dtb, …) in {folder}")
    return files


def find_modules(folder: Path) -> Path:
    """Return the folder modules/VERSION of the kernel. Raises UsageError where it is not one."""
    found = sorted(path for path in (folder / "modules").glob("*") if path.is_dir())
    if len(found) != 1:
        raise UsageError(
            f"FIRMWARE: expected one folder modules/VERSION of kernel8.img, found {len(found)}"
        )
    return found[0]


def slot_files(firmware: dict[str, bytes], initrd: bytes, arguments: str) -> dict[str, bytes]:
    """Return the files of a boot partition; the same in both slots."""
    own = {
        "config.txt": _CONFIG.encode(),
        "cmdline.txt": f"{arguments}\n".encode(),
        "initrd.img": initrd,
    }
    return {**firmware, **own}


def first_files() -> dict[str, bytes]:
    """Return the files of the first partition: autoboot.txt, which chooses the slot."""
    return {AUTOBOOT: autoboot("A").encode()}
