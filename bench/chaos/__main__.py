"""Strike a real line with random faults: ``python -m bench.chaos``.

The exit status is 1 where an event is lost or doubled, a gap is unmarked, or a wrong ejection is
unreported. The seed is printed. It gives the same faults, but not at the same times.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.chaos.faults import Faults, PastFault
from bench.chaos.referee import judge
from bench.chaos.world import World

_EVERY = 50
_AROUND_NS = 700_000_000  # faults this close to a finding are printed with it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the line, end all faults, wait for the events, compare and print.

    Needs Mosquitto, and root for a separate disk.
    """
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=1_000, help="number of faults")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate-hz", type=float, default=20.0, help="parts a second")
    parser.add_argument("--out", type=Path, default=Path("build/chaos"))
    parser.add_argument(
        "--without", action="append", default=[], metavar="FAULT", help="kind of fault to leave out"
    )
    given = parser.parse_args(arguments)
    began_s = time.monotonic()
    world = World(given.out, rate_hz=given.rate_hz, seed=given.seed)
    struck: list[PastFault] = []
    try:
        world.open()
        faults = Faults(world, given.seed, without=given.without)
        for number in range(1, given.faults + 1):
            struck.append(faults.strike())
            if number % _EVERY == 0:
                duration_s = time.monotonic() - began_s
                print(f"{number} faults in {duration_s:.0f} s", flush=True)
            faults.pause()
        world.heal()
        account = judge(world.evidence())
    finally:
        world.close()
    print(f"seed {given.seed}, {given.rate_hz:g} parts a second")
    if not world.disk.is_real:
        print("the disk was not filled: only root may mount one")
    for name, count in sorted(Counter(each.name for each in struck).items()):
        print(f"  {count:5} {name}")
    for note in account.notes:
        print(f"  WRONG: {note.text}")
        for each in struck:
            if each.from_ns - _AROUND_NS < note.at_ns < each.to_ns + _AROUND_NS:
                after_ms = (note.at_ns - each.from_ns) / 1e6
                print(f"    {after_ms:.0f} ms after the beginning of: {each.name}")
    print(account.text())
    return 0 if account.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
