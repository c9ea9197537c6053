"""Kill everything between journals and database, many times: ``python -m bench.central_kills``.

Real stations' journals, uplinks, a real Mosquitto as shipped, collectors and PostgreSQL (or SQLite)
are killed at random with SIGKILL. Meanwhile the central system is away once, the folder of the
broker is emptied, and the card of a station is copied. The exit status is 1 if an event of a
journal is not in the database, or is there twice.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.central_kills.referee import compare
from bench.central_kills.world import KilledPlant

_EVERY = 50
_COPY_S = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, wait until every station knows that its journal is committed, and compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.central_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000, help="number of faults")
    parser.add_argument("--stations", type=int, default=3)
    parser.add_argument("--rate-hz", type=float, default=50.0, help="events per second and station")
    parser.add_argument("--pause-s", type=float, default=0.5, help="mean time between two faults")
    parser.add_argument("--away-s", type=float, default=60.0, help="absence of the central system")
    parser.add_argument("--settle-s", type=float, default=900.0, help="longest wait at the end")
    parser.add_argument("--sqlite", action="store_true", help="SQLite and one collector")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/central-kills"))
    given = parser.parse_args(arguments)
    dice = random.Random(given.seed)
    began_s = time.monotonic()
    struck: Counter[str] = Counter()
    plant = KilledPlant(
        given.out,
        stations=given.stations,
        rate_hz=given.rate_hz,
        is_sqlite=given.sqlite,
        seed=given.seed,
    )
    with plant:
        faults = plant.faults()
        for number in range(1, given.kills + 1):
            time.sleep(dice.expovariate(1 / given.pause_s))
            name = dice.choice(sorted(faults))
            faults[name]()
            struck[name] += 1
            if number == given.kills // 2:
                plant.hold_central(given.away_s)
            if number % _EVERY == 0:
                print(f"{number} faults in {time.monotonic() - began_s:.0f} s", flush=True)
        for folder in plant.stations:
            plant.stop("writer", folder)
        settled_s = time.monotonic()
        for folder in plant.stations:
            plant.wait_committed(folder, given.settle_s)
        print(f"committed {time.monotonic() - settled_s:.0f} s after the last event", flush=True)
        original = plant.stations[0]
        plant.start_writer(original)
        time.sleep(_COPY_S)
        copy = plant.copy_card(original)
        for folder in (copy, original):
            plant.start_writer(folder)
            plant.start_uplink(folder)
            time.sleep(_COPY_S)
            plant.stop("writer", folder)
            plant.wait_committed(folder, given.settle_s)
            plant.stop("uplink", folder)
        comparison = compare([*plant.stations, copy], plant.database)
    for name, count in sorted(struck.items()):
        print(f"  {count:5} {name}")
    for name, value in asdict(comparison).items():
        print(f"  {value:9,} {name}")
    print(f"{time.monotonic() - began_s:.0f} s, seed {given.seed}")
    if not comparison.copies:
        print("WRONG: the copied card was not reported")
    return 0 if comparison.is_right and comparison.copies else 1


if __name__ == "__main__":
    sys.exit(main())
