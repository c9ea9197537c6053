"""``python -m edge.rejector.wait_for_end``: wait for the rejector after the station has exited.

For ExecStopPost= of the station's unit, whose KillMode=process leaves the rejector running. It
completes the announced parts, sets the safe state and exits. Only then may the next station claim
the output. A process that still runs after the given time hangs, and is killed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_LOOK_S = 0.05
_KILL_S = 5.0  # for the kernel to end killed processes
_CGROUPS = Path("/sys/fs/cgroup")


def settle(group: Path, timeout_s: float) -> int:
    """Wait until this process is alone in its control group; after timeout_s, kill the others.

    Return the number of killed processes. group: the cgroup.procs file. Blocks.
    """
    if _others(group) and not _alone(group, timeout_s):
        hanging = _others(group)
        for pid in hanging:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _alone(group, _KILL_S)
        return len(hanging)
    return 0


def own_group() -> Path | None:
    """Return the cgroup.procs file of this process; None: no cgroup hierarchy is mounted.

    It is searched in the unified hierarchy and in systemd's own.
    """
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "name=systemd"):
            continue
        for root in (".", "unified", "systemd"):
            procs = _CGROUPS / root / path.lstrip("/") / "cgroup.procs"
            if procs.is_file() and os.getpid() in _pids(procs):
                return procs
    return None


def main(arguments: list[str] | None = None) -> int:
    """Wait, and return the exit status 0 even after a kill, so that the next station starts."""
    parser = argparse.ArgumentParser(
        prog="python -m edge.rejector.wait_for_end", description=__doc__
    )
    parser.add_argument("--timeout-s", type=float, required=True)
    options = parser.parse_args(arguments)
    group = own_group()
    if group is None:
        print("settle: no control group, nothing to wait for", file=sys.stderr)
        return 0
    killed = settle(group, options.timeout_s)
    if killed:
        print(f"settle: {killed} left after {options.timeout_s:g} s, killed", file=sys.stderr)
    return 0


def _alone(group: Path, timeout_s: float) -> bool:
    limit_s = time.monotonic() + timeout_s
    while _others(group):
        if time.monotonic() > limit_s:
            return False
        time.sleep(_LOOK_S)
    return True


def _others(group: Path) -> list[int]:
    # 0 is a process of another PID namespace. Killing 0 would kill this process's own group.
    return [pid for pid in _pids(group) if pid not in (0, os.getpid())]


def _pids(group: Path) -> list[int]:
    return [int(pid) for pid in group.read_text(encoding="ascii").split()]


if __name__ == "__main__":
    sys.exit(main())
