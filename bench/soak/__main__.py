"""Run millions of parts through a simulated line: ``python -m bench.soak``.

The exit status is 1 where a part was handled wrongly.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from resource import getpagesize

from bench.soak.line import SoakedLine
from bench.soak.plan import MIXED, SoakPlan

_SAMPLES = 100  # memory samples of each plan
# A leak of one object a part is a slope of 1. A crash of the rejector empties its histories of
# 40,000 objects, which changes the slope by about 0.05. Resident memory is printed too, but it
# counts pages.
_MAX_BLOCKS_PER_PART = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every plan on its share of the parts, one after the other, on one core."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--parts", type=int, default=1_000_000, help="parts of all plans")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    gc.freeze()  # existing objects are not examined at every sample
    try:
        wrong = sum(_soak(plan, given.parts // len(MIXED), given.seed) for plan in MIXED)
    finally:
        gc.unfreeze()
    print("no wrong part, one outcome each" if not wrong else f"WRONG: {wrong}")
    return 1 if wrong else 0


def _soak(plan: SoakPlan, parts: int, seed: int) -> int:
    """Run one plan and return the number of wrong results."""
    line, began_s = SoakedLine(plan, seed), time.monotonic()
    memory: list[tuple[int, int]] = []
    blocks: list[tuple[int, int]] = []
    for share in range(1, _SAMPLES + 1):
        line.run(parts * share // _SAMPLES)
        gc.collect()
        memory.append((line.belt.born, _resident_bytes()))
        blocks.append((line.belt.born, sys.getallocatedblocks()))
    duration_s = time.monotonic() - began_s
    # The first quarter fills bounded histories: 8,192 positions and 4,096 parts.
    slope = _slope(blocks[_SAMPLES // 4 :])
    bytes_a_part = _slope(memory[_SAMPLES // 4 :])
    account = line.referee.account
    belt_h = line.now_ns / 3.6e12
    print(f"{plan.name}: {line.belt.born} parts, {belt_h:.1f} h of belt, in {duration_s:.0f} s")
    print(f"  memory {memory[-1][1] / 1e6:.1f} MB, {bytes_a_part:+.2f} bytes a part")
    print(f"  objects {blocks[-1][1]}, {slope:+.5f} a part")
    print(f"  faults: {_listed(line.counters)}")
    print(f"  outcomes: {_listed(account)}")
    for error in line.referee.errors:
        print(f"  WRONG: {error}")
    sys.stdout.flush()
    if slope > _MAX_BLOCKS_PER_PART and parts >= 100_000:
        print(f"  WRONG: objects grow by {slope:.3f} a part")
        return account["WRONG"] + 1
    return account["WRONG"]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count)


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * getpagesize()


def _slope(points: list[tuple[int, int]]) -> float:
    """Return the slope of the least squares line."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


if __name__ == "__main__":
    sys.exit(main())
