"""The disk usage of a part, a saved position and an update: bytes written, file system included.

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

# A bundle is downloaded, and copied once for the station. Every MiB of the download is flushed.
_BUNDLE_FACTOR, _BUNDLE_BYTES = 2.04, 90_000

# A trial of 24 hours stores its figures every five minutes, each time in two files.
_TRIAL_STATES, _TRIAL_STATE_BYTES = 300, 153_000


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


def bundle_update_bytes(size_bytes: float) -> float:
    """Return the bytes for an update to a bundle of this size, with a trial of 24 hours."""
    files = _BUNDLE_FACTOR * size_bytes + _BUNDLE_BYTES
    return files + _TRIAL_STATES * _TRIAL_STATE_BYTES


def system_update_bytes(size_bytes: float) -> float:
    """Return the bytes for an update of the system by a file of this size.

    It is downloaded to the data partition, and then written to the slot without a file system.
    """
    return 2 * size_bytes
