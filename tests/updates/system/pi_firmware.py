"""A player of the rules by which a Raspberry Pi's firmware chooses a partition.

The rules are those of Raspberry Pi's documentation (config.txt: autoboot.txt, conditional filters;
raspberrypi/documentation at 04d84a8). The first FAT partition may hold autoboot.txt, 512 bytes at
most, with the filters [all], [none] and [tryboot]. ``boot_partition`` names the partition, which
must be FAT and hold start4.elf. The flag of ``reboot "0 tryboot"`` holds for one start. Without
``tryboot_a_b=1`` that start reads tryboot.txt in place of config.txt.

It reads the very disk image with mtools. It does not play: the EEPROM's BOOT_ORDER, network boot,
boot.img, and how long the firmware takes.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """The files that the firmware starts. ``config``: the settings for all boards in config.txt."""

    partition: int
    kernel: bytes
    initrd: bytes
    arguments: str
    config: dict[str, str]


class FirmwareError(Exception):
    """The firmware would stop."""


class PiFirmware:
    """A board with a card. tryboot: the flag that a restart has set."""

    def __init__(self, disk: Path, offsets: dict[int, int]) -> None:
        self._disk = disk
        self._offsets = offsets
        self.tryboot = False

    def read(self, partition: int, name: str) -> bytes | None:
        place = f"{self._disk}@@{self._offsets[partition]}"
        command = ("mcopy", "-n", "-i", place, f"::{name}", "-")
        done = subprocess.run(command, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else None

    def write(self, partition: int, name: str, content: bytes) -> None:
        place = f"{self._disk}@@{self._offsets[partition]}"
        command = ("mcopy", "-o", "-i", place, "-", f"::{name}")
        subprocess.run(command, input=content, capture_output=True, check=True)

    def start(self, kernel: str = "kernel8.img") -> Started:
        """Power on, or restart: the flag is used up."""
        flag, self.tryboot = self.tryboot, False
        text = self.read(1, "autoboot.txt")
        if text is None:
            raise FirmwareError("the first partition has no autoboot.txt and nothing to start")
        settings = _settings(text[:512].decode(), flag)
        partition = int(settings.get("boot_partition", "1"))
        name = "tryboot.txt" if flag and settings.get("tryboot_a_b") != "1" else "config.txt"
        config = self.read(partition, name)
        if config is None or self.read(partition, "start4.elf") is None:
            raise FirmwareError(f"partition {partition} cannot be started")
        found = _settings(config.decode(), flag)
        image, arguments = self.read(partition, kernel), self.read(partition, "cmdline.txt")
        initrd = self.read(partition, found["initramfs"].split()[0])
        if image is None or initrd is None or arguments is None:
            raise FirmwareError(f"partition {partition}: a file of the kernel is missing")
        return Started(partition, image, initrd, arguments.decode().strip(), found)


def _settings(text: str, flag: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    passes = True
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            passes = {"[all]": True, "[none]": False, "[tryboot]": flag}.get(line, False)
        elif passes:
            name, _, value = line.partition("=" if "=" in line.split()[0] else " ")
            found[name.strip()] = value.strip()
    return found
