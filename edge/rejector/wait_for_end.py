"""``python -m edge.rejector.wait_for_end``: after a station's death, wait until its rejector is
done.

For ExecStopPost= of the station's unit, whose KillMode=process leaves the rejector alive: it deals
with the parts that were announced, takes the safe state and ends. Only then may the next station
claim the output. What is left after the time given hangs, and is killed.
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
_KILL_S = 5.0  # for the kernel to take down what was killed
_CGROUPS = Path("/sys/fs/cgroup")


def settle(group: Path, timeout_s: float) -> int:
    """Wait at most timeout_s until this process is alone in its control group, then kill the rest.
    How many had to be killed. ``group``: its cgroup.procs. Blocks."""
    if _others(group) and not _alone(group, timeout_s):
        hanging = _others(group)
        for pid in hanging:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _alone(group, _KILL_S)
        return len(hanging)
    return 0


def own_group() -> Path | None:
    """The cgroup.procs of this process, in the unified hierarchy or in systemd's own; None where
    neither is mounted."""
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
    """Exit status 0 also where something had to be killed: the next station shall start."""
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
    # 0 stands for a process of another PID namespace; to kill 0 would be to kill this one's group.
    return [pid for pid in _pids(group) if pid not in (0, os.getpid())]


def _pids(group: Path) -> list[int]:
    return [int(pid) for pid in group.read_text(encoding="ascii").split()]


if __name__ == "__main__":
    sys.exit(main())
