"""Read access to the machine for the checks. Nothing is written, and no root rights are needed."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COMMAND_S = 3.0
_STA_UNSYNC = 0x40  # linux/timex.h
_TIMEX_BYTES = 208  # struct timex of 64-bit kernels; 128 of 32-bit ones


def run_command(command: Sequence[str]) -> str | None:
    """Run a command and return its output; None if it is missing, fails, or exceeds 3 s."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def clock_is_synchronised() -> bool | None:
    """Return whether a service synchronises the system clock (adjtimex(2)); None: unknown."""
    data = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: read only
    with suppress(AttributeError, OSError):
        if ctypes.CDLL(None).adjtimex(data) < 0:
            return None
        # modes (and its padding), offset, freq, maxerror, esterror come before status.
        longs = ctypes.sizeof(ctypes.c_long)
        status = ctypes.c_int.from_buffer(data, 5 * longs).value
        return not status & _STA_UNSYNC
    return None


def own_limit(name: str) -> int:
    """Return a soft limit of this process; -1: unlimited."""
    return resource.getrlimit(getattr(resource, name))[0]


@dataclass(frozen=True, slots=True)
class MachineState:
    """Access to the files, programs and limits of the machine. Tests replace each field."""

    root: Path = Path("/")
    """The folder that contains /proc, /sys, /dev and /etc."""

    run: Callable[[Sequence[str]], str | None] = run_command
    statvfs: Callable[[Path], os.statvfs_result] = os.statvfs
    synchronised: Callable[[], bool | None] = clock_is_synchronised
    limit: Callable[[str], int] = own_limit
    now_s: Callable[[], float] = time.time
    gpiod: Callable[[], Any] | None = None

    def text(self, path: str) -> str | None:
        """Return the text of a file below the root, stripped; None where it cannot be read."""
        try:
            data = (self.root / path.lstrip("/")).read_bytes()
        except OSError:
            return None
        return data.decode("utf-8", "replace").strip("\0 \n\t")

    def number(self, path: str, base: int = 10) -> int | None:
        """Return the number in a file; None where there is none."""
        with suppress(TypeError, ValueError):
            return int(self.text(path) or "", base)
        return None

    def paths(self, pattern: str) -> list[Path]:
        """Return the files below the root that match, sorted."""
        return sorted(self.root.glob(pattern.lstrip("/")))

    def name(self, path: Path) -> str:
        """Return a path below the root as an absolute path of the machine."""
        return "/" + str(path.relative_to(self.root))
