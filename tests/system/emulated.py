"""An emulated arm64 machine, and its wires from outside: the pins of its chip, its power button.

The host reads the pins of the PL061 over QMP and presses the power button, which is the chip's line
3. On the console, lines that begin with SYSTEM are for the host. Timing under emulation is
no measure of a real board, so none is asserted.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

PINS = 0x0903_0000 + 0x3FC  # the PL061's data register, all eight bits, on QEMU's machine "virt"
OUTPUT, ACTIVE_LOW = 1 << 5, 1 << 6
WATCH_S = 0.05
_QEMU = ("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "4096")


class Qemu:
    """Commands to QEMU: read the pins, press the button."""

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
    """Records every change of the pins; while enabled, presses the button every ``press_s``."""

    def __init__(self, qemu: Qemu, press_s: float) -> None:
        self._qemu = qemu
        self._press_s = press_s
        self.pressing = False
        self.presses = 0
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
                if self.pressing and time.monotonic() - pressed_s > self._press_s:
                    pressed_s = time.monotonic()
                    self._qemu.execute("system_powerdown")
                    self.presses += 1
            except (OSError, ValueError):
                return  # the machine is off
            if not self.seen or self.seen[-1] != pins:
                self.seen.append(pins)


class Machine:
    """Runs from the beginning of ``with`` to its end, and ``limit_s`` at most.

    options: more of QEMU's, and press_s of the Watcher. The whole console goes to ``log``.
    """

    def __init__(
        self,
        kernel: Path,
        initrd: Path,
        append: str,
        *options: str,
        folder: Path,
        log: Path,
        limit_s: float,
        press_s: float,
    ) -> None:
        self._command = [*_QEMU, *options, "-display", "none", "-no-reboot", "-serial", "stdio"]
        self._command += ["-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"]
        self._command += ["-kernel", str(kernel), "-initrd", str(initrd)]
        self._command += ["-append", f"console=ttyAMA0 panic=-1 quiet {append}"]
        self._qmp = folder / "qmp"
        self._log = log
        self._limit_s = limit_s
        self._press_s = press_s

    def __enter__(self) -> Machine:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
        )
        self._timer = threading.Timer(self._limit_s, self._process.kill)
        self._timer.start()
        try:
            self.watcher = Watcher(Qemu(self._qmp), self._press_s)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.watcher.close()
        self._end()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def words(self) -> Iterator[str]:
        """Yield the machine's lines for the host until it is off. The other lines are printed."""
        assert self._process.stdout is not None
        with self._log.open("wb") as record:
            for raw in self._process.stdout:
                record.write(raw)
                record.flush()
                line = raw.decode(errors="replace").strip()
                if line.startswith("SYSTEM "):
                    yield line.removeprefix("SYSTEM ")
                elif line:
                    print(line, flush=True)

    def say(self, words: str) -> None:
        """A line to the machine's console."""
        assert self._process.stdin is not None
        self._process.stdin.write(words.encode() + b"\n")
        self._process.stdin.flush()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._timer.cancel()
