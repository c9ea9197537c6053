"""Boots an emulated arm64 machine and runs the device tests in it: ``make system-test``.

The host is the other side of the wires: it reads the pins of the PL061 over QMP and presses the
power button, which is the chip's line 3. Emulation says nothing of timing: none is asserted.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PINS = 0x0903_0000 + 0x3FC  # the PL061's data register, all eight bits, on QEMU's machine "virt"
POWER_BUTTON = 1 << 3
OUTPUT, ACTIVE_LOW = 1 << 5, 1 << 6
WATCH_S = 0.05
PRESS_S = 0.4


class Qemu:
    """What is asked of QEMU: pins, and the button."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        limit = time.monotonic() + 30
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.1)
        self._lines = self._socket.makefile("r")
        self._lines.readline()
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = json.loads(self._lines.readline())
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def pins(self) -> int:
        said = self.execute("human-monitor-command", **{"command-line": f"xp /1xw {PINS:#x}"})
        return int(said.split(":")[1], 16)


class Watcher:
    """Remembers every change of the pins that it sees, and presses the button when it is told."""

    def __init__(self, qemu: Qemu) -> None:
        self._qemu = qemu
        self.pressing = False
        self.seen: list[int] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pins", daemon=True)
        self._thread.start()

    def mark(self) -> int:
        return max(0, len(self.seen) - 1)

    def levels(self, since: int, mask: int) -> list[int]:
        """Of one pin, the levels that it took since a mark."""
        found: list[int] = []
        for pins in self.seen[since:]:
            level = int(bool(pins & mask))
            if not found or found[-1] != level:
                found.append(level)
        return found

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def _watch(self) -> None:
        pressed_s = 0.0
        while not self._ending.wait(WATCH_S):
            try:
                pins = self._qemu.pins()
                if self.pressing and time.monotonic() - pressed_s > PRESS_S:
                    pressed_s = time.monotonic()
                    self._qemu.execute("system_powerdown")
            except (OSError, ValueError):
                return  # the machine is off
            if not self.seen or self.seen[-1] != pins:
                self.seen.append(pins)


def run(image: Path, log: Path, limit_s: float) -> int:
    """The exit status: 0 when every test passed in the machine and the pins did what they shall."""
    wrong: list[str] = []
    status = None
    with tempfile.TemporaryDirectory() as folder:
        qmp = Path(folder) / "qmp"
        command = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2"]
        command += ["-m", "4096", "-nic", "none", "-display", "none", "-no-reboot"]
        command += ["-serial", "stdio", "-qmp", f"unix:{qmp},server=on,wait=off"]
        command += ["-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd")]
        command += ["-append", "console=ttyAMA0 rdinit=/init panic=-1 quiet"]
        machine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        timer = threading.Timer(limit_s, machine.kill)
        timer.start()
        watcher = Watcher(Qemu(qmp))
        began = 0
        assert machine.stdout is not None
        with log.open("wb") as record:
            for raw in machine.stdout:
                record.write(raw)
                record.flush()
                line = raw.decode(errors="replace").strip()
                print(line, flush=True)
                if not line.startswith("SYSTEM "):
                    continue
                words = line.removeprefix("SYSTEM ")
                if words in ("output begins", "active-low begins"):
                    began = watcher.mark()
                elif words == "output ends":
                    wrong += _compare("output", watcher.levels(began, OUTPUT), [0, 1, 0, 1, 0])
                elif words == "active-low ends":
                    found = watcher.levels(began, ACTIVE_LOW)
                    wrong += _compare("active-low output", found, [1, 0, 1])
                elif words in ("press", "release"):
                    watcher.pressing = words == "press"
                elif found := re.fullmatch(r"status (\d+)", words):
                    status = int(found[1])
        watcher.close()
        machine.wait()
        timer.cancel()
    for complaint in wrong:
        print(f"FAIL  {complaint}")
    if status != 0 or wrong:
        print(f"system-test: failed (tests in the machine: {status}); {log} has the console")
        return 1
    print("system-test: passed")
    return 0


def _compare(name: str, found: list[int], wanted: list[int]) -> list[str]:
    print(f"{name}: levels of its pin as the host saw them: {found}")
    return [] if found == wanted else [f"{name}: levels {found}, expected {wanted}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, required=True, help="a folder of build.sh")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--limit-s", type=float, default=1800)
    given = parser.parse_args()
    sys.exit(run(given.image, given.log, given.limit_s))
