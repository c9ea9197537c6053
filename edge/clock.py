"""Time as the station uses it: one monotonic clock for control, one UTC stamp for events."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """The time source of control code. Steps of the wall clock do not affect it."""

    def now_ns(self) -> int:
        """Nanoseconds of CLOCK_MONOTONIC, the same in every process of this machine."""
        ...

    def sleep_until_ns(self, due_ns: int) -> None:
        """Block until ``now_ns() >= due_ns``; returns at once when that is past."""
        ...


class MonotonicClock:
    """The kernel's CLOCK_MONOTONIC. May be used from any thread."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until_ns(self, due_ns: int) -> None:
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / 1e9)


def utc_now() -> str:
    """The wall clock as RFC 3339 in UTC with microseconds. For events only, never for control."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


@lru_cache(maxsize=1)
def boot_id() -> str:
    """The kernel's identity of this boot: monotonic stamps compare only within one boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
