"""A real kernel chip without hardware: gpio-sim, where this kernel has it (root, configfs)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CONFIGFS = Path("/sys/kernel/config/gpio-sim")


class SimChip:
    """A chip of gpio-sim with named lines. Its wires are in sysfs."""

    def __init__(self, lines: int = 4) -> None:
        if not CONFIGFS.is_dir():
            pytest.skip(f"no GPIO chip: {CONFIGFS} is not there (modprobe gpio-sim)")
        if not os.access(CONFIGFS, os.W_OK):
            pytest.skip(f"{CONFIGFS} cannot be written: not root")
        self.home = CONFIGFS / f"outfeed-{os.getpid()}-{id(self)}"
        bank = self.home / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(lines))
        (bank / "label").write_text(self.home.name)
        (self.home / "live").write_text("1")
        self.label = self.home.name
        name = (bank / "chip_name").read_text().strip()
        device = (self.home / "dev_name").read_text().strip()
        self.path = f"/dev/{name}"
        self.wires = Path("/sys/devices/platform") / device / name

    def pull(self, line: int, high: bool) -> None:
        (self.wires / f"sim_gpio{line}" / "pull").write_text("pull-up" if high else "pull-down")

    def high(self, line: int) -> bool:
        return (self.wires / f"sim_gpio{line}" / "value").read_text().strip() == "1"

    def close(self) -> None:
        (self.home / "live").write_text("0")
        (self.home / "bank0").rmdir()
        self.home.rmdir()
