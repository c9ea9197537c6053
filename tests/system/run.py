"""Boots an emulated arm64 machine twice: ``make system-test``.

drivers: the tests of the devices, on the real kernel's chip and camera. units: systemd as the first
process, the shipped units, a frame of the camera, the reject line, and the event at a TLS broker.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.system.emulated import ACTIVE_LOW, OUTPUT, Machine
from tests.system.findings import Findings
from tests.system.units import run_units

PRESS_S = 0.4
STAGES = ("drivers", "units")


def run_drivers(image: Path, log: Path, limit_s: float) -> Findings:
    """None of them failed where all tests passed in the machine and the pins were right."""
    findings = Findings()
    status = None
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(
            image / "vmlinuz",
            image / "initrd",
            "rdinit=/init",
            *("-nic", "none"),
            folder=Path(folder),
            log=log,
            limit_s=limit_s,
            press_s=PRESS_S,
        )
        began = 0
        with machine:
            watcher = machine.watcher
            for words in machine.words():
                if words in ("output begins", "active-low begins"):
                    began = watcher.mark()
                elif words == "output ends":
                    levels = watcher.levels(began, OUTPUT)
                    findings.add(levels == [0, 1, 0, 1, 0], f"output as the host saw it: {levels}")
                elif words == "active-low ends":
                    levels = watcher.levels(began, ACTIVE_LOW)
                    findings.add(levels == [1, 0, 1], f"active-low output: {levels}")
                elif words in ("press", "release"):
                    watcher.pressing = words == "press"
                elif found := re.fullmatch(r"status (\d+)", words):
                    status = int(found[1])
    findings.add(status == 0, f"tests in the machine: status {status}")
    return findings


def main() -> int:
    """The exit status: 0 when nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, required=True, help="a folder of build.sh")
    parser.add_argument("--log", type=Path, required=True, help="of the stage units: NAME.units")
    parser.add_argument("--limit-s", type=float, default=1800, help="for each stage")
    parser.add_argument("--stage", choices=STAGES, help="only this one")
    given = parser.parse_args()
    failed = 0
    for stage in [given.stage] if given.stage else STAGES:
        began_s = time.monotonic()
        log = given.log if stage == "drivers" else Path(f"{given.log}.units")
        run = run_drivers if stage == "drivers" else run_units
        found = run(given.image, log, given.limit_s)
        failed += found.failed
        end = f"{found.failed} failed; {log} has the console" if found.failed else "passed"
        print(f"system-test: {stage}: {end} ({time.monotonic() - began_s:.0f} s)", flush=True)
    print("system-test: failed" if failed else "system-test: passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
