"""The amount of memory that a picture may claim."""

from __future__ import annotations

import re
from pathlib import Path

# Four channels of 16 bits, or of 8 bits and a copy.
BYTES_PER_PX = 8
_NO_BOUND = 1 << 62


def free_memory_bytes() -> int:
    """Return the bytes the kernel can give without paging anything out (proc(5), MemAvailable). No
    bound applies where the kernel does not report it."""
    try:
        text = Path("/proc/meminfo").read_bytes()
    except OSError:
        return _NO_BOUND
    found = re.search(rb"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else _NO_BOUND
