"""The limits of a proof, and the functions with which a child process applies them to itself."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)
_MIN_MB, _MAX_MB = 1024, 8192
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProofLimits:
    """The limits of a child process that proves a bundle."""

    seconds: float
    """The time from the start of the child to its end."""

    memory_mb: int
    """The memory that the child may allocate."""

    @classmethod
    def of_machine(cls) -> ProofLimits:
        """Return one minute, and half of the machine's memory, but 1 to 8 GiB."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(60.0, min(_MAX_MB, max(_MIN_MB, pages // 2 // _MB)))


def limit_memory(memory_mb: int) -> None:
    """Limit the memory of this process, and write no core file.

    If the machine's memory runs out anyway, the kernel ends this process first. The limit is on
    allocated memory (RLIMIT_DATA), as engines reserve addresses that they never use.
    """
    memory = memory_mb * _MB
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def limit_cpu_time(seconds: int) -> None:
    """Limit the processor time of this process, and let it write no file."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def exit_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, or if it has already ended."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
