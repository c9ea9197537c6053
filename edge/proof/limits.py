"""Limits that a child puts on itself before it reads a bundle."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)


def confine(memory_mb: int) -> None:
    """Bound what this process may allocate, leave no core, and be what the kernel ends first where
    memory runs out all the same. Memory is what is allocated (RLIMIT_DATA): engines reserve
    addresses that they never use."""
    memory = memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def confine_work(seconds: int) -> None:
    """Bound the processor's time of this process, and let it write no file."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def end_with(parent: int) -> None:
    """Be killed when the parent ends, also where it has ended already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
