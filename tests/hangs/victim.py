"""``outfeed run`` whose threads can be made to hang: ``python -m tests.hangs.victim FOLDER TOML``.

A thread that asks for the time while FOLDER holds a file of its name never returns. Every loop asks
at each turn, so each stage can be stopped in the middle of what it does, also with a lock in its
hand; and the rest of the process is the real one.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import edge.clock
from edge.__main__ import main


class HangingClock(edge.clock.MonotonicClock):
    folder = Path()

    def now_ns(self) -> int:
        name = threading.current_thread().name
        if (self.folder / name).exists():
            while True:
                time.sleep(3600)
        return super().now_ns()


if __name__ == "__main__":
    HangingClock.folder = Path(sys.argv[1])
    edge.clock.MonotonicClock = HangingClock  # type: ignore[misc]
    sys.exit(main(["run", "--config", sys.argv[2]]))
