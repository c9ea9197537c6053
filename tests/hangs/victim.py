"""``outfeed run`` whose threads can be made to hang or crash: ``python -m tests.hangs.victim FOLDER
TOML``.

A thread that reads the time while FOLDER has a file with its name never returns. If the file
contains "crash", the thread gets an unforeseen exception. Every loop reads the time at each
iteration, so each stage can be stopped in the middle of its work, even with a lock held. The rest
of the process is the real one. The thread of the pictures does not read the time. It hangs in
fsync, as it would with a bad disk.
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
