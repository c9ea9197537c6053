"""Whether a station runs, found without touching it."""

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
    """words: as in /proc/PID/limits; name: of systemd's Limit… and of RLIMIT_…; capability: its
    number (linux/capability.h), which goes beyond the limit."""

    words: str
    name: str
    capability: int


RTPRIO = Limit("Max realtime priority", "RTPRIO", 23)  # CAP_SYS_NICE
MEMLOCK = Limit("Max locked memory", "MEMLOCK", 14)  # CAP_IPC_LOCK


@dataclass(frozen=True, slots=True)
class Running:
    """A process that holds the lock of the journal. pid: 0 where the kernel does not say."""

    pid: int


def find_running(machine: MachineState, lock: Path, config: Path | None = None) -> Running | None:
    """By proc_locks(5): taking the lock, even for a moment, could keep a station from starting.

    An inode alone is no proof; the device must agree, or the process look like Outfeed (a file
    system in layers shows another device). Where the disk refuses even the lock, a station runs
    all the same: then by the command line that names the configuration.
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
    """Processes of the rejector that this station started."""
    found = []
    for path in machine.paths("/proc/[0-9]*/cmdline"):
        pid = path.parent.name
        command = (machine.text(f"/proc/{pid}/cmdline") or "").split("\0")
        status = machine.text(f"/proc/{pid}/status") or ""
        if "edge.rejector" in command and f"PPid:\t{station.pid}" in status.splitlines():
            found.append(int(pid))
    return found


def is_realtime(machine: MachineState, pid: int) -> bool | None:
    """Whether the process is scheduled by SCHED_FIFO (proc(5), stat, field 41)."""
    # The name, in parentheses, may hold spaces: count from its end, which is field 2.
    words = (machine.text(f"/proc/{pid}/stat") or "").rpartition(")")[2].split()
    return int(words[38]) == _SCHED_FIFO if len(words) > 38 else None


def unit(machine: MachineState, name: str = _STATION_UNIT) -> dict[str, str]:
    """What systemd says of a unit; empty where there is no systemd or no such unit."""
    said = machine.run(["systemctl", "show", name, f"--property={_SHOWN},LimitMEMLOCK"])
    pairs = (line.partition("=") for line in (said or "").splitlines())
    found = {key: value for key, _, value in pairs}
    return found if found.get("LoadState") == "loaded" else {}


def limit_of(machine: MachineState, station: Running | None, limit: Limit) -> tuple[int, str]:
    """A limit that the station has, -1 for none, and who says so: its process, its unit, or this
    process, whose shell may have others."""
    words, name = limit.words, limit.name
    if station is not None:
        for line in (machine.text(f"/proc/{station.pid}/limits") or "").splitlines():
            if line.startswith(words):
                capable = _is_capable(machine, str(station.pid), limit)
                return -1 if capable else _limit(line[len(words) :].split()[0]), "the station"
    said = unit(machine).get(f"Limit{name}")
    if said:
        return _limit(said), "outfeed-station.service"
    capable = _is_capable(machine, "self", limit)
    return -1 if capable else machine.limit(f"RLIMIT_{name}"), "this shell"


def _is_capable(machine: MachineState, pid: str, limit: Limit) -> bool:
    """Whether the process has the capability that makes the limit void (proc(5), CapEff)."""
    for line in (machine.text(f"/proc/{pid}/status") or "").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> limit.capability & 1)
    return False


def _limit(text: str) -> int:
    return int(text) if text.isdigit() else -1
