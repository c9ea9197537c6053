"""Waiting for the progress of a station that a test kills or stops."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.hangs.conftest import Unit

S = 1_000_000_000


def eventually(holds: Callable[[], object], within_s: float = 30.0) -> None:
    limit = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < limit, "did not come true in time"
        time.sleep(0.01)


def goes_on(unit: Unit, parts: int = 10) -> None:
    """So many parts more have their verdict."""
    before = len(unit.history().parts) if (unit.state / "journal.sqlite").exists() else 0
    eventually(
        lambda: (
            (unit.state / "journal.sqlite").exists() and len(unit.history().parts) >= before + parts
        )
    )


def heartbeats_since(unit: Unit, from_ns: int) -> list[float]:
    return [notice.at_s for notice in unit.manager.said("WATCHDOG", from_ns / 1e9)]


def live(seconds: float) -> None:
    """A stretch of time in which something must, or must not, happen."""
    limit_s = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > limit_s)
