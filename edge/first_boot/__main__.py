"""Import an identity from a FAT file system, and show the state of the unit.

python -m edge.first_boot
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from edge.first_boot.service import run_first_boot
from edge.terminals import LogFormatter, tolerate


def main(arguments: list[str] | None = None) -> int:
    """Work once. Return the exit status: 1 where an identity was refused. The boot goes on."""
    parser = argparse.ArgumentParser(prog="python -m edge.first_boot", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("/etc/outfeed"))
    parser.add_argument("--mounts", type=Path, default=Path("/run/outfeed-first-boot"))
    options = parser.parse_args(arguments)
    tolerate()
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    return 0 if run_first_boot(options.to, options.mounts) else 1


if __name__ == "__main__":
    sys.exit(main())
