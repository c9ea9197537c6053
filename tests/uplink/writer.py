"""A process that fills a journal until it is killed: python writer.py STATE_DIR SEED."""

import random
import sys
import time
from pathlib import Path

from edge.events.event import gap_event
from edge.journal.writer import Journal

if __name__ == "__main__":
    folder, dice = Path(sys.argv[1]), random.Random(sys.argv[2])
    with Journal.open(
        folder / "journal.sqlite",
        station="press-3",
        max_bytes=64 << 20,
        cursor_path=folder / "uplink.json",
    ) as journal:
        while True:
            batch = [gap_event("press-3", count=1, reason="x")] * dice.randint(1, 20)
            print(journal.append(batch).stop - 1, flush=True)
            time.sleep(dice.uniform(0, 0.01))  # a line's pace, some 1000 events a second
