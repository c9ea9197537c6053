"""The process of a running station, found by reading /proc only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edge.doctor.machine import MachineState

_STATION_UNIT = "outfeed-station"
_SHOWN = "LoadState,ActiveState,SubState,NRestarts,ExecMainStatus,StatusText,LimitRTPRIO"
_SCHED_FIFO = 1  # linux/sched.h


@dataclass(frozen=True, slots=True)
class Limit:
    """A resource limit of a process."""

    words: str
    """The name in /proc/PID/limits."""

    name: str
    """The name in systemd (``Limit…``) and in ``RLIMIT_…``."""

    capability: int
    """The number of the capability that removes the limit (linux/capability.h)."""


RTPRIO = Limit("Max realtime priority", "RTPRIO", 23)  # CAP_SYS_NICE
MEMLOCK = Limit("Max locked memory", "MEMLOCK", 14)  # CAP_IPC_LOCK


@dataclass(frozen=True, slots=True)
class Running:
    """A process that holds the lock of the journal."""

    pid: int
    """The process number; 0 where the kernel hides it."""


def find_running(machine: MachineState, lock: Path, config: Path | None = None) -> Running | None:
    """Return the running station that holds this lock file; None where there is none.

    The lock is read from proc_locks(5) and not taken: taking it, even briefly, could stop a station
    from starting. The inode must match, and either the device or the command line of the process
    (an overlay file system shows another device). A station also runs where the disk does not allow
    the lock file. It is then found by the command line that names ``config``.
    """
    try:
        state = lock.stat()
    except OSError:
        return None if config is None else _by_command(machine, config.resolve())
    device = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}"
    for line in (machine.text("/proc/locks") or "").splitlines():
        words = line.split()
        if len(words) < 6 or words[1] != "FLOCK":
            continue
        pid, place = words[4], words[5]
        where, _, inode = place.rpartition(":")
        if inode != str(state.st_ino):
            continue
        command = machine.text(f"/proc/{pid}/cmdline") or ""
        if where == device or "outfeed" in command or "edge" in command:
            return Running(max(0, int(pid)))
    return None


def _by_command(machine: MachineState, config: Path) -> Running | None:
    for path in machine.paths("/proc/[0-9]*/cmdline"):
        pid = path.parent.name
        words = (machine.text(f"/proc/{pid}/cmdline") or "").split("\0")
        if "run" not in words or not any(word.endswith(config.name) for word in words):
            continue
        try:
            folder = (path.parent / "cwd").readlink()
        except OSError:
            continue
        named = (word.partition("=")[2] if word.startswith("--") else word for word in words)
        if any(word and (folder / word).resolve() == config for word in named):
            return Running(int(pid))
    return None


def rejectors(machine: MachineState, station: Running) -> list[int]:
    """Return the process numbers of the rejectors that this station started."""
    pids = []
    for path in machine.paths("/proc/[0-9]*/cmdline"):
        pid = path.parent.name
        command = (machine.text(f"/proc/{pid}/cmdline") or "").split("\0")
        status = machine.text(f"/proc/{pid}/status") or ""
        if "edge.rejector" in command and f"PPid:\t{station.pid}" in status.splitlines():
            pids.append(int(pid))
    return pids


def is_realtime(machine: MachineState, pid: int) -> bool | None:
    """Return whether the process runs with SCHED_FIFO (proc(5), stat, field 41); None: unknown."""
    # The name in parentheses is field 2 and may contain spaces: count from its end.
    words = (machine.text(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    return int(words[38]) == _SCHED_FIFO if len(words) > 38 else None


def unit(machine: MachineState, name: str = _STATION_UNIT) -> dict[str, str]:
    """Return the properties of a systemd unit; empty where systemd or the unit is missing."""
    output = machine.run(["systemctl", "show", name, f"--property={_SHOWN},LimitMEMLOCK"])
    pairs = (line.partition("=") for line in (output or "").splitlines())
    properties = {key: value for key, _, value in pairs}
    return properties if properties.get("LoadState") == "loaded" else {}


def limit_of(machine: MachineState, station: Running | None, limit: Limit) -> tuple[int, str]:
    """Return a limit of the station, -1 for unlimited, and its source.

    The source is the process of the station, its systemd unit, or else this process, whose shell
    may have other limits.
    """
    words, name = limit.words, limit.name
    if station is not None:
        for line in (machine.text(f"/proc/{station.pid}/limits") or "").splitlines():
            if line.startswith(words):
                capable = _is_capable(machine, str(station.pid), limit)
                return -1 if capable else _limit(line[len(words) :].split()[0]), "the station"
    setting = unit(machine).get(f"Limit{name}")
    if setting:
        return _limit(setting), "outfeed-station.service"
    capable = _is_capable(machine, "self", limit)
    return -1 if capable else machine.limit(f"RLIMIT_{name}"), "this shell"


def _is_capable(machine: MachineState, pid: str, limit: Limit) -> bool:
    """Return whether the process has the capability that removes the limit (proc(5), CapEff)."""
    for line in (machine.text(f"/proc/{pid}/status") or "").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> limit.capability & 1)
    return False


def _limit(text: str) -> int:
    return int(text) if text.isdigit() else -1
