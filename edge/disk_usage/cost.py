"""What each thing costs the disk: bytes that reach it, the file system's own included.

Measured by bench/disk_usage.py on an ext4 of 4 KiB blocks (docs/benchmarks/disk.md). A flash card
writes more than it is given, by a factor that only its maker knows.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

# Parts in one transaction → bytes a good part. SQLite writes whole pages: an event of 400 bytes
# alone dirties three, twice (log, then database), and flushes the disk.
_GOOD_PART = ((1, 14_700), (2, 8_600), (8, 4_000), (64, 1_350))

# A rejected part has two transactions, its verdict's and its kick's, and more to say.
_REJECTED = 2.1

ROW_BYTES = 460  # that a good part takes in the journal's file
REJECTED_ROW_BYTES = 970  # its kick included

# A block in place, and now and then the file's times.
_POSITION = 4_200


def journal_bytes(parts_at_once: float, *, rejected: bool = False) -> float:
    """Bytes for one part in a transaction of so many, at least 1; interpolated between what was
    measured, and for more than that as for the most."""
    points = [(log(parts), log(cost)) for parts, cost in _GOOD_PART]
    at = min(max(log(max(parts_at_once, 1.0)), points[0][0]), points[-1][0])
    (x0, y0), (x1, y1) = next(pair for pair in pairwise(points) if at <= pair[1][0])
    good = exp(y0 + (y1 - y0) * (at - x0) / (x1 - x0))
    return good * _REJECTED if rejected else good


def position_bytes() -> float:
    """Bytes each time the uplink saves how far it has published."""
    return _POSITION
