"""The disk usage of one part and of one saved position: bytes written, file system included.

The figures were measured by bench/disk_usage.py on an ext4 file system with 4 KiB blocks
(docs/benchmarks/disk.md). A flash card writes more than it receives, by a factor that its
manufacturer knows.
"""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

# Parts in one transaction and bytes per good part. SQLite writes whole pages: one event of 400
# bytes changes three pages, which are written twice (log and database), and flushes the disk.
_GOOD_PART = ((1, 14_700), (2, 8_600), (8, 4_000), (64, 1_350))

# A rejected part has two transactions, for its verdict and its ejection, and larger events.
_REJECTED = 2.1

ROW_BYTES = 460  # of a good part in the file of the journal
REJECTED_ROW_BYTES = 970  # of a rejected part, with its actuation event

# One block, and from time to time the metadata of the file.
_POSITION_BYTES = 4_200


def journal_bytes(parts_at_once: float, *, rejected: bool = False) -> float:
    """Return the bytes per part for transactions of ``parts_at_once`` parts, at least 1.

    Values between the measured ones are interpolated. More parts than measured count as the largest
    measured number.
    """
    points = [(log(parts), log(cost)) for parts, cost in _GOOD_PART]
    at = min(max(log(max(parts_at_once, 1.0)), points[0][0]), points[-1][0])
    (x0, y0), (x1, y1) = next(pair for pair in pairwise(points) if at <= pair[1][0])
    good = exp(y0 + (y1 - y0) * (at - x0) / (x1 - x0))
    return good * _REJECTED if rejected else good


def position_bytes() -> float:
    """Return the bytes for each time that the uplink saves its position."""
    return _POSITION_BYTES
