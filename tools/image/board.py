"""The boards that an image is built for."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import UsageError

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of board.

    Attributes:
        name: The value of BOARD.
        architecture: As dpkg names it.
        kernel: The Debian package that depends on the newest kernel; empty where the board's
            maker supplies the kernel.
        loader: What chooses the slot: uboot, grub, tryboot, or none.
        arguments: The board's part of the kernel's command line.
        boot_bytes: The size of a boot partition.
        system_bytes: The size of a system partition.
    """

    name: str
    architecture: str
    kernel: str
    loader: str
    arguments: str
    boot_bytes: int = 96 * MIB
    system_bytes: int = 768 * MIB

    @property
    def compatible(self) -> str:
        """The name that an update must carry."""
        return f"outfeed-{self.name}"

    @property
    def platform(self) -> str:
        """The architecture as Python's wheels name it."""
        return {"amd64": "x86_64", "arm64": "aarch64"}[self.architecture]


# Emulation is slow: the watchdog leaves it more time than the 14 s of a unit.
_EMULATED = "console=ttyAMA0 i6300esb.heartbeat=180 systemd.watchdog_sec=120"

BOARDS = {
    board.name: board
    for board in (
        Board("arm64", "arm64", "linux-image-arm64", "uboot", _EMULATED),
        Board("pc", "amd64", "linux-image-amd64", "grub", "console=tty0 console=ttyS0"),
        Board("rpi", "arm64", "", "tryboot", "console=serial0,115200", boot_bytes=128 * MIB),
        Board("jetson", "arm64", "", "none", ""),
    )
}


def find_board(name: str) -> Board:
    """Return the board of this name.

    Raises:
        UsageError: There is none.
    """
    if name not in BOARDS:
        raise UsageError(f"BOARD: expected {', '.join(BOARDS)}, found '{name}'")
    return BOARDS[name]
