"""The boot loader of this unit, by what the image states about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge.updates.system.boot_sectors import GrubSectors, UbootSectors
from edge.updates.system.boot_state import BootState, BootStateError, Slot, parse_slot
from edge.updates.system.tryboot import TrybootFiles

ABOUT = Path("usr/lib/outfeed/system")
_NAMES = ("BOARD", "COMPATIBLE", "LOADER", "VERSION")


class BootLoader(Protocol):
    """Reads and writes the state of the slots."""

    def read(self) -> BootState:
        """Return the state. Raises BootStateError."""

    def write(self, state: BootState) -> None:
        """Store the state on the disk before returning. Raises BootStateError."""


@dataclass(frozen=True, slots=True)
class SystemImage:
    """The facts that the running system states about itself.

    Attributes:
        board: The kind of board.
        compatible: The name that an update must carry.
        loader: uboot, grub or tryboot.
        version: The version of this system.
        slot: The slot that was started.
    """

    board: str
    compatible: str
    loader: str
    version: str
    slot: Slot


def read_image(root: Path = Path("/")) -> SystemImage:
    """Return the facts about the running system.

    Raises:
        BootStateError: This system was not made by ``make image``.
    """
    about = root / ABOUT
    try:
        lines = about.read_text().splitlines()
        slot = (root / "run/outfeed-boot/slot").read_text().strip()
    except OSError as error:
        raise BootStateError(
            f"{error.filename}: expected a system made by `make image`: {error.strerror}"
        ) from error
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    for name in _NAMES:
        if name not in found:
            raise BootStateError(f"{about}: {name} is missing")
    board, compatible, loader, version = (found[name] for name in _NAMES)
    return SystemImage(board, compatible, loader, version, parse_slot(slot))


def open_loader(image: SystemImage, root: Path = Path("/")) -> BootLoader:
    """Return the boot loader of a system. Raises BootStateError where the board has none."""
    partitions = root / "dev/disk/by-partlabel"
    if image.loader == "uboot":
        return UbootSectors(partitions / "bootstate")
    if image.loader == "grub":
        return GrubSectors(partitions / "bootstate")
    if image.loader == "tryboot":
        return TrybootFiles(partitions / "config", root / "data/rauc/tryboot")
    raise BootStateError(f"LOADER: a board with '{image.loader}' has no slots")


def reboot_command(image: SystemImage, state: BootState) -> tuple[str, ...]:
    """Return the command that starts the primary slot; on a Raspberry Pi a trial needs a flag."""
    command = ("systemctl", "--no-block", "reboot")
    if image.loader == "tryboot" and not state.of(state.primary()).good:
        return (*command, "--reboot-argument=0 tryboot")
    return command
