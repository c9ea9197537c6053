"""An emulated unit that starts from the image of ``make image``: arm64 by U-Boot, pc by GRUB.

What a technician does to a card is done with mtools; what the tests need inside is put on the data
partition with debugfs. The slots are those of the image.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tools.image.board import BOARDS, MIB
from tools.image.disk import layout

UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
OVMF = Path("/usr/share/OVMF")
AGENT = Path(__file__).with_name("guest_agent.py")

_AGENT_UNIT = """\
[Unit]
After=basic.target
[Service]
ExecStart=/usr/bin/python3 /data/test/guest_agent.py
Restart=always
[Install]
WantedBy=multi-user.target
"""

# Emulation is slow. Nothing but time-outs is changed of the units.
_SLOW = """\
[Service]
TimeoutStartSec=900
TimeoutStopSec=120
TimeoutAbortSec=60
WatchdogSec=180
"""


_WATCHDOG = b"[Manager]\nRuntimeWatchdogSec=300\nDefaultTimeoutStartSec=900\n"


def offset_of(name: str, board: str = "arm64") -> int:
    """The place of a partition in the image, in bytes."""
    offset = MIB
    for each in layout(BOARDS[board]):
        if each.name == name:
            return offset
        offset += each.size
    raise KeyError(name)


@dataclass(frozen=True)
class Card:
    """The disk of a unit."""

    path: Path
    board: str = "arm64"

    @classmethod
    def flash(cls, image: Path, path: Path, *, board: str = "arm64", size: int = 4 << 30) -> Card:
        """As a technician writes the image to a larger card."""
        subprocess.run(["cp", "--sparse=always", str(image), str(path)], check=True)
        with path.open("r+b") as disk:
            disk.truncate(size)
        return cls(path, board)

    def copy_to(self, path: Path) -> Card:
        subprocess.run(["cp", "--sparse=always", str(self.path), str(path)], check=True)
        return Card(path, self.board)

    def add_arguments(self, arguments: str) -> None:
        """To the kernel's command line of slot A, for a slow emulation."""
        place = f"{self.path}@@{offset_of('boot-a', self.board)}"
        name = "::boot.env" if self.board == "arm64" else "::boot.cfg"
        command = ("mcopy", "-i", place, name, "-")
        text = subprocess.run(command, capture_output=True, check=True).stdout
        changed = text.replace(b"panic=", f"{arguments} panic=".encode())
        command = ("mcopy", "-o", "-i", place, "-", name)
        subprocess.run(command, input=changed, check=True)

    def put_folder(self, folder: Path) -> None:
        """Onto the FAT partition, as a technician does with an identity."""
        place = f"{self.path}@@{offset_of('config', self.board)}"
        subprocess.run(["mcopy", "-s", "-i", place, str(folder), "::"], check=True)

    def put_tests(self, slow: bool = True) -> None:
        """The agent and longer time-outs, onto the data partition."""
        self.put_data("test/guest_agent.py", AGENT.read_bytes())
        units = "etc/systemd/system"
        self.put_data(f"{units}/guest-agent.service", _AGENT_UNIT.encode())
        self.link_data(
            f"{units}/multi-user.target.wants/guest-agent.service",
            "/etc/systemd/system/guest-agent.service",
        )
        if slow:
            self.put_data("etc/systemd/system.conf.d/slow.conf", _WATCHDOG)
            for unit in ("outfeed-station", "outfeed-uplink"):
                self.put_data(f"{units}/{unit}.service.d/slow.conf", _SLOW.encode())

    def put_data(self, name: str, content: bytes) -> None:
        """A file of root, mode 0644, on the data partition."""
        source = self.path.with_suffix(".put")
        source.write_bytes(content)
        self._debugfs(*self._folders(name), f"rm {name}", f"write {source} {name}")
        self._debugfs(f"sif {name} mode 0100644", f"sif {name} uid 0", f"sif {name} gid 0")
        source.unlink()

    def link_data(self, name: str, target: str) -> None:
        self._debugfs(*self._folders(name), f"symlink {name} {target}")

    def _folders(self, name: str) -> list[str]:
        parents = [str(each) for each in reversed(Path(name).parents) if str(each) != "."]
        return [f"mkdir {parent}" for parent in parents]

    def _debugfs(self, *commands: str) -> None:
        place = f"{self.path}?offset={offset_of('data', self.board)}"
        script = "\n".join(commands).encode() + b"\n"
        subprocess.run(
            ["debugfs", "-w", "-f", "-", place], input=script, capture_output=True, check=True
        )


class Unit:
    """A running unit. Runs from the beginning of ``with`` to its end, through restarts.

    log: the console, appended. boots: what the agent stated at each start.
    """

    def __init__(self, card: Card, folder: Path, *options: str, log: Path) -> None:
        self.card = card
        self._folder = folder
        self._options = options
        self._log = log
        self.boots: list[dict[str, str]] = []
        self._early: dict[str, str] = {}  # a start that a command did not outlive

    def __enter__(self) -> Unit:
        self.switch_on()
        return self

    def switch_on(self) -> None:
        """Start the machine, also again after ``cut``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        port = self._folder / "agent.sock"
        port.unlink(missing_ok=True)
        command = [
            *(*self._machine(), "-m", "2048", "-display", "none", "-serial", "chardev:console"),
            *("-chardev", f"file,id=console,path={self._log},append=on"),
            *("-drive", f"file={self.card.path},format=raw,if=none,id=card,cache=writeback"),
            *("-device", "virtio-blk-pci,drive=card"),
            *("-device", "i6300esb", "-watchdog-action", "reset"),
            *("-netdev", "user,id=plant,ipv6=off"),
            *("-device", "virtio-net-pci,netdev=plant,romfile="),
            *("-device", "virtio-rng-pci"),
            # 4 ns for each instruction: time inside does not depend on how busy this machine is.
            *("-icount", "shift=2,align=off,sleep=on"),
            *("-device", "virtio-serial-pci"),
            *("-chardev", f"socket,id=agent,path={port},server=on,wait=off"),
            *("-device", "virtserialport,chardev=agent,name=outfeed.test"),
            *self._options,
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        limit_s = time.monotonic() + 60
        while True:
            self._socket = socket.socket(socket.AF_UNIX)
            try:
                self._socket.connect(str(port))
                break
            except OSError:
                if time.monotonic() > limit_s:
                    self._process.kill()
                    raise
                time.sleep(0.2)
        self._pending = b""
        self._early = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._socket.close()

    def _machine(self) -> tuple[str, ...]:
        if self.card.board == "arm64":
            virt = ("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2")
            return (*virt, "-bios", str(UBOOT))
        variables = self._folder / "uefi.fd"
        if not variables.exists():
            variables.write_bytes((OVMF / "OVMF_VARS_4M.fd").read_bytes())
        flash = "if=pflash,format=raw"
        return (
            *("qemu-system-x86_64", "-M", "q35", "-cpu", "Nehalem"),
            *("-drive", f"{flash},readonly=on,file={OVMF / 'OVMF_CODE_4M.fd'}"),
            *("-drive", f"{flash},file={variables}"),
        )

    def cut(self) -> None:
        """The main switch."""
        self._process.kill()
        self._process.wait()

    def console(self) -> str:
        """The console so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_started(self, limit_s: float) -> dict[str, str]:
        """The slot and version of the next start."""
        while True:
            found = self._early or self._line(limit_s)
            self._early = {}
            if "slot" in found:
                self.boots.append(found)
                return found

    def run(self, command: str, limit_s: float = 3600.0) -> tuple[int, str]:
        """Exit status and output of a command inside. A restart in its place is status 0."""
        self._socket.sendall(json.dumps({"run": command}).encode() + b"\n")
        found = self._line(limit_s)
        if "slot" in found:
            self._early = found
            return 0, ""
        return int(found["rc"]), str(found["out"])

    def _line(self, limit_s: float) -> dict[str, Any]:
        limit = time.monotonic() + limit_s
        while b"\n" not in self._pending:
            left = limit - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the unit said nothing for {limit_s:g} s; see {self._log}")
            self._socket.settimeout(left)
            try:
                found = self._socket.recv(65536)
            except TimeoutError:
                continue
            if not found:
                raise RuntimeError("QEMU ended")
            self._pending += found
        line, self._pending = self._pending.split(b"\n", 1)
        return dict(json.loads(line))
