"""A process that fills a journal until it is killed: python -m bench.central_kills.writer."""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from edge.events.event import Event, part_event
from edge.journal.writer import Journal
from edge.records import Decision, Verdict

_KINDS = ("scratch", "dent", "stain", "crack")
_MAX_BATCH = 4


def main() -> None:
    """Append verdicts at a mean rate, in batches of 1 to 4, until a signal ends the process."""
    parser = argparse.ArgumentParser(prog="python -m bench.central_kills.writer")
    parser.add_argument("folder", type=Path, help="state folder of the station")
    parser.add_argument("--station", required=True)
    parser.add_argument("--rate-hz", type=float, default=50.0)
    given = parser.parse_args()
    dice = random.Random()
    number = time.time_ns() // 1_000_000  # grows over restarts, as part numbers do
    with Journal.open(
        given.folder / "journal.sqlite",
        station=given.station,
        max_bytes=512 << 20,
        cursor_path=given.folder / "uplink.json",
    ) as journal:
        while True:
            batch: list[Event] = []
            for _ in range(dice.randint(1, _MAX_BATCH)):
                number += 1
                batch.append(_event(given.station, number, dice))
            journal.append(batch)
            time.sleep(dice.expovariate(given.rate_hz / len(batch)))


def _event(station: str, number: int, dice: random.Random) -> Event:
    is_bad = dice.random() < 0.1
    verdict = Verdict(
        part_id=number,
        decision=Decision.REJECT if is_bad else Decision.PASS,
        reason=f"{dice.choice(_KINDS)} above its limit" if is_bad else "no defect",
        defects=(),
        peak_severity=round(dice.uniform(6, 12) if is_bad else dice.uniform(0, 3), 2),
        timings=None,
    )
    return part_event(station, "kills-1", verdict, time.monotonic_ns())


if __name__ == "__main__":
    main()
