"""Faults that a bad bundle alone does not cause: no space, two bad slots, power cuts."""

from __future__ import annotations

import random
import time
from typing import Protocol

from tests.system.findings import Findings
from tests.system.unit_image import Unit, offset_of

FAULTS = ("full-data", "both-bad", "power-cut")
_AGAIN = "no attempts left: confirmed slots are tried again"
_WRITE_S = 300.0
MOUNT = "mkdir -p /run/bundles; mount -o ro /dev/disk/by-label/bundles /run/bundles 2>/dev/null"


class Updates(Protocol):
    """The matrix, as the faults need it. slot: the confirmed one that runs."""

    slot: str

    def install(self, name: str, options: str = "") -> tuple[int, str]:
        """Return exit status and output of `outfeed system update` for a bundle."""

    def status(self) -> dict[str, object]:
        """Return the output of `outfeed system status --json`."""

    def check_journal(self, name: str) -> None:
        """Add whether the journal is without a gap."""


def full_data(unit: Unit, updates: Updates, findings: Findings) -> None:
    """Less space than the journal needs is left: the download is refused before it begins."""
    fill = "fallocate -l $(( $(stat -f -c '%a * %S' /data) - (300 << 20) )) /data/fill"
    unit.run(fill)
    code, out = updates.install("no-init")
    unit.run("rm -f /data/fill")
    state = updates.status()
    fine = code == 1 and "MiB for the journal" in out and state["next"] == updates.slot
    findings.add(fine, f"full-data: refused: {out.strip().splitlines()[-1:]}")
    updates.check_journal("full-data")


def both_bad(unit: Unit, updates: Updates, findings: Findings, limit_s: float) -> None:
    """The running slot loses its boot files, and the update panics: no slot starts.

    The boot loader tries again and again. Once the boot files are back, the unit works as before.
    """
    card = unit.card
    place = offset_of(f"boot-{updates.slot.lower()}", card.board)
    code, out = updates.install("kernel-panics", "--later")
    if code:
        findings.add(False, f"both-bad: installed: {out.strip()}")
        return
    with card.path.open("rb") as disk:
        disk.seek(place)
        saved = disk.read(16 << 20)
    device = f"/dev/disk/by-partlabel/boot-{updates.slot.lower()}"
    unit.run(f"dd if=/dev/zero of={device} bs=1M count=16 conv=fsync")
    # In the background: no start answers a command that waits.
    unit.run("outfeed system switch --idle-s 0 >/dev/null 2>&1 &")
    began_s = time.monotonic()
    while unit.console().count(_AGAIN) < 2 and time.monotonic() - began_s < limit_s:
        time.sleep(5)
    tried = unit.console().count(_AGAIN)
    findings.add(tried >= 2, f"both-bad: the boot loader went on trying ({tried} rounds)")
    unit.cut()
    with card.path.open("r+b") as disk:
        disk.seek(place)
        disk.write(saved)
    unit.switch_on()
    found = unit.wait_started(limit_s)
    findings.add(
        found["slot"] == updates.slot, f"both-bad: slot {found['slot']} starts after the repair"
    )
    updates.check_journal("both-bad")


def power_cuts(
    unit: Unit, updates: Updates, findings: Findings, limit_s: float, count: int, seed: int
) -> None:
    """The power ends at random moments of an installation and of its switch.

    After each cut a confirmed slot starts, and the unit takes an update again.
    """
    chance = random.Random(seed)
    for number in range(1, count + 1):
        after_s = chance.uniform(0.0, _WRITE_S)
        before = len(unit.boots)
        command = "outfeed system update --now /run/bundles/kernel-panics.raucb"
        unit.run(f"{MOUNT}; {command} >/dev/null 2>&1 &")
        time.sleep(after_s)
        unit.cut()
        unit.switch_on()
        found = unit.wait_started(limit_s)
        state = updates.status()
        slots = state["slots"]
        assert isinstance(slots, dict)
        fine = found["slot"] == updates.slot and slots[updates.slot]["good"]
        slots_seen = [each["slot"] for each in unit.boots[before:]]
        text = f"power-cut {number} of {count} after {after_s:.0f} s: started {slots_seen}"
        findings.add(fine, text)
        updates.check_journal("power-cut")
