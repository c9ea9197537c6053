"""``outfeed run`` whose threads can be made to hang or crash: ``python -m tests.hangs.victim FOLDER
TOML``.

A thread that asks for the time while FOLDER holds a file of its name never returns, or, where the
file says "crash", gets an exception that nobody foresaw. Every loop asks
at each turn, so each stage can be stopped in the middle of what it does, also with a lock in its
hand; and the rest of the process is the real one. The thread of the pictures, which needs no time,
hangs where a bad disk would hang it: in fsync.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import edge.clock
from edge.__main__ import main


class HangingClock(edge.clock.MonotonicClock):
    folder = Path()

    def now_ns(self) -> int:
        hang_if_told(self.folder)
        return super().now_ns()


def hang_if_told(folder: Path) -> None:
    told = folder / threading.current_thread().name
    if told.exists():
        if told.read_text() == "crash":
            raise ZeroDivisionError("a bug, scripted")
        while True:
            time.sleep(3600)


def hanging_fsync(folder: Path, fsync: Callable[[int], None]) -> Callable[[int], None]:
    def call(file: int) -> None:
        hang_if_told(folder)
        fsync(file)

    return call


if __name__ == "__main__":
    HangingClock.folder = Path(sys.argv[1])
    os.fsync = hanging_fsync(HangingClock.folder, os.fsync)
    edge.clock.MonotonicClock = HangingClock  # type: ignore[misc]
    sys.exit(main(["run", "--config", sys.argv[2]]))
