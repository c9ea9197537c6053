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
from tools.image.build import ImageRequest, build_image, check_request
from tools.image.bundle import SystemSigner, build_bundle

_ROOT = Path(__file__).parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments name and print the paths. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.image", description=__doc__)
    parser.add_argument("work", choices=("check", "image", "bundle"))
    parser.add_argument("--board", required=True, help=", ".join(BOARDS))
    parser.add_argument("--out", type=Path, default=Path("build/image"))
    parser.add_argument("--version", default=edge.__version__)
    parser.add_argument("--package", type=Path, help="outfeed_VERSION_ARCH.deb")
    parser.add_argument("--keys", type=Path, help="certificates whose updates units accept")
    parser.add_argument("--firmware", type=Path, help="rpi: a folder of Raspberry Pi's boot files")
    parser.add_argument("--mirror", default="", help="address of a Debian mirror")
    parser.add_argument("--packages", type=Path, help="packages.txt that the image must equal")
    parser.add_argument("--key", type=Path, help="bundle: NAME.key, with NAME.pem beside it")
    options = parser.parse_args(arguments)
    try:
        for path in _work(options):
            print(path)
    except OutfeedError as error:
        print(f"make {_target(options.work)}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _work(options: argparse.Namespace) -> list[Path]:
    board = find_board(options.board)
    if options.work == "bundle":
        if options.key is None:
            raise UsageError("KEY: expected NAME.key, with its certificate NAME.pem beside it")
        signer = SystemSigner(options.key.with_suffix(".pem"), options.key)
        parts = options.out / board.name
        version = options.version
        made = build_bundle(
            board, parts, options.out, version=version, signer=signer, epoch_s=_epoch_s()
        )
        return [made]
    request = ImageRequest(
        board=board,
        package=options.package,
        keys=options.keys,
        out=options.out,
        version=options.version,
        firmware=options.firmware,
        mirror=options.mirror,
        packages=options.packages,
        epoch_s=_epoch_s(),
    )
    check_request(request)
    return [] if options.work == "check" else build_image(request)


def _target(work: str) -> str:
    return "system-bundle" if work == "bundle" else "image"


def _epoch_s() -> int:
    """Return SOURCE_DATE_EPOCH, or the time of the last commit."""
    command = ["git", "log", "-1", "--format=%ct"]
    text = os.environ.get("SOURCE_DATE_EPOCH") or (
        subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False).stdout
    )
    if not text.strip().isdecimal():
        raise UsageError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found '{text}'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
