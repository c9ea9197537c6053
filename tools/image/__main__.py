"""The command ``python -m tools.image``: build an image, or a bundle that updates units."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import edge
from edge.errors import OutfeedError, UsageError
from tools.image.board import BOARDS, find_board
from tools.image.build import ImageRequest, build_image

_ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Build what the arguments name and print its path. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("--board", required=True, help=", ".join(BOARDS))
    parser.add_argument("--package", type=Path, required=True, help="outfeed_VERSION_ARCH.deb")
    parser.add_argument("--keys", type=Path, required=True, help="certificates of accepted updates")
    parser.add_argument("--out", type=Path, default=Path("build/image"))
    parser.add_argument("--version", default=edge.__version__)
    parser.add_argument("--firmware", type=Path, help="rpi: a folder of Raspberry Pi's boot files")
    parser.add_argument("--mirror", default="", help="address of a Debian mirror")
    options = parser.parse_args(arguments)
    try:
        for path in build_image(
            ImageRequest(
                find_board(options.board),
                options.package,
                options.keys,
                options.out,
                options.version,
                options.firmware,
                options.mirror,
                _epoch_s(),
            )
        ):
            print(path)
    except OutfeedError as error:
        print(f"make image: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _epoch_s() -> int:
    """Return SOURCE_DATE_EPOCH, or the time of the last commit."""
    text = (
        os.environ.get("SOURCE_DATE_EPOCH")
        or subprocess.run(
            ["git", "log", "-1", "--format=%ct"],
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
    )
    if not text.isdecimal():
        raise UsageError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found '{text}'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
