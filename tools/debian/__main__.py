"""The command ``python -m tools.debian``: build a Debian package."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from edge.errors import OutfeedError
from tools.debian.central import central_package
from tools.debian.package import PackageError, build_package
from tools.debian.station import station_package

_PACKAGES = {"central": central_package, "station": station_package}


def main(arguments: list[str] | None = None) -> int:
    """Build a package and print its path. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.debian", description=__doc__)
    parser.add_argument("package", choices=sorted(_PACKAGES))
    parser.add_argument(
        "--site", type=Path, required=True, help="folder of the installed libraries (pip --target)"
    )
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder of the package")
    parser.add_argument("--architecture", help="default: that of dpkg on this machine")
    parser.add_argument("--version", help="default: that of the source")
    options = parser.parse_args(arguments)
    try:
        architecture = options.architecture or _ask("dpkg", "--print-architecture")
        package = _PACKAGES[options.package](options.site, architecture, options.version)
        print(build_package(package, options.out, _epoch_s()))
    except OutfeedError as error:
        print(f"tools.debian: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _epoch_s() -> int:
    """Return SOURCE_DATE_EPOCH, or the time of the last commit."""
    text = os.environ.get("SOURCE_DATE_EPOCH") or _ask("git", "log", "-1", "--format=%ct")
    if not text.isdecimal():
        raise PackageError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found '{text}'")
    return int(text)


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackageError(f"{' '.join(command)}: failed") from error
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
