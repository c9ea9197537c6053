"""A machine with a real systemd as its first process, in a second and without a second disk.

systemd-nspawn boots the very file system that the tests run on, under an overlay that takes what is
written; in a mount namespace of its own with the unified control groups, so that nothing of it
reaches the machine that runs the tests. The network is shared: a broker on the loopback is there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

from tests.hangs.line import History

ROOT = Path(__file__).parents[2]
FIRMWARE = ROOT / "firmware-config"

_BOOT = """\
set -eu
mount --make-rprivate /
mount -t cgroup2 none /sys/fs/cgroup
mount -t overlay overlay -o lowerdir=/,upperdir=$1/upper,workdir=$1/work $1/root
# bpf: with it systemd filters devices and addresses, as on a real machine.
exec systemd-nspawn --quiet --register=no --keep-unit --directory=$1/root --boot --console=pipe \\
    --system-call-filter=bpf \\
    --bind-ro=$2:/opt/outfeed/python --bind-ro=$3:/opt/outfeed/site \\
    --bind-ro=$4:/opt/outfeed/lib/edge --bind=$1/state:/var/lib/outfeed \\
    systemd.unit=outfeed-test.target
"""

# As an installation has it, from wherever Python, its packages and Outfeed are on this machine.
_PYTHON = Path(sys.base_prefix)
_START = f"""\
#!/bin/sh
export PYTHONPATH=/opt/outfeed/lib:/opt/outfeed/site LD_LIBRARY_PATH=/opt/outfeed/python/lib
exec /opt/outfeed/python/bin/python{sys.version_info.major}.{sys.version_info.minor} {{}}"$@"
"""

_TARGET = """\
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""


def why_not() -> str | None:
    """Why no such machine can run here; None where it can be tried."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("systemd-nspawn", "unshare", "nsenter"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    probe = subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t cgroup2 none /sys/fs/cgroup"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if probe.returncode == 0 else f"no cgroup2 here: {probe.stderr.strip()}"


class Machine:
    """Boot it, run commands in it, halt it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("upper", "work", "root", "state"):
            (folder / name).mkdir(parents=True)
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._init = 0

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the machine, before it boots."""
        target = self._folder / "upper" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def install(self) -> None:
        """The shipped files where they belong, unchanged, and Outfeed below /opt/outfeed."""
        self.write("/etc/machine-id", "")
        self.write("/etc/systemd/system/outfeed-test.target", _TARGET)
        for unit in (FIRMWARE / "systemd").glob("*.service"):
            self.write(f"/etc/systemd/system/{unit.name}", unit.read_text())
        for kind in ("sysusers.d", "tmpfiles.d"):
            self.write(f"/etc/{kind}/outfeed.conf", (FIRMWARE / kind / "outfeed.conf").read_text())
        journald = "systemd/journald.conf.d/outfeed.conf"
        self.write(f"/etc/{journald}", (FIRMWARE / journald).read_text())
        self.write("/opt/outfeed/bin/python", _START.format(""), 0o755)
        self.write("/opt/outfeed/bin/outfeed", _START.format("-m edge "), 0o755)

    def copy(self, path: str, source: Path) -> None:
        """Copy a file into the machine, before it boots."""
        target = self._folder / "upper" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    def boot(self, timeout_s: float = 60.0) -> None:
        bound = (str(_PYTHON), sysconfig.get_path("purelib"), str(ROOT / "edge"))
        with (self._folder / "console").open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*("unshare", "-m", "sh", "-c", _BOOT, "boot"), str(self._folder), *bound],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self.eventually(self._find_init, "its first process", timeout_s)
        self.eventually(
            lambda: self.run("systemctl", "is-active", "outfeed-test.target") == "active",
            "its target",
            timeout_s,
        )

    def run(self, *command: str, input: str | None = None) -> str:
        """Run the command in the machine as root and return its output."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._init), *["-m", "-p", "-u", "-i", "-C", "--"], *command],
            capture_output=True,
            text=True,
            check=False,
            input=input,
        )
        return (done.stdout + done.stderr).strip()

    def show(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", key, unit)

    def log(self, unit: str) -> str:
        self.run("journalctl", "--sync")  # the last lines of a service may not be written yet
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    @property
    def state(self) -> Path:
        """Its /var/lib/outfeed, a file system of its own, from outside."""
        return self._folder / "state"

    def eventually(self, holds: Callable[[], object], what: str, within_s: float = 60.0) -> None:
        limit_s = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < limit_s, f"in {within_s} s not: {what}\n{self.console()}"
            time.sleep(0.02)

    def console(self) -> str:
        return (self._folder / "console").read_text(errors="replace")[-2000:]

    def halt(self) -> None:
        if self._nspawn is None:
            return
        self._nspawn.send_signal(signal.SIGTERM)
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _find_init(self) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, self.console()
        seen = [self._nspawn.pid]
        for pid in seen:
            try:
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    self._init = pid
                    return True
                for task in Path(f"/proc/{pid}/task").iterdir():
                    seen += map(int, (task / "children").read_text().split())
            except OSError:
                continue
        return False


STATION, UPLINK = "outfeed-station", "outfeed-uplink"


def start(machine: Machine) -> None:
    said = machine.run("systemctl", "start", STATION)
    assert said == "", f"{said}\n{machine.log(STATION)}"


def history(machine: Machine) -> History:
    return History.read(machine.state)


def parts(machine: Machine) -> int:
    there = (machine.state / "journal.sqlite").exists()
    return len(history(machine).parts) if there else 0


def goes_on(machine: Machine, more: int = 10) -> None:
    before = parts(machine)
    machine.eventually(lambda: parts(machine) >= before + more, "parts with a verdict")


def main_pid(machine: Machine) -> str:
    return machine.show(STATION, "MainPID")


def rejector_pid(machine: Machine) -> str:
    return machine.run("pgrep", "-P", main_pid(machine), "-f", "edge.rejector")


def end(machine: Machine) -> History:
    machine.run("systemctl", "stop", STATION)
    assert machine.show(STATION, "Result") == "success", machine.log(STATION)[-4000:]
    return history(machine)
