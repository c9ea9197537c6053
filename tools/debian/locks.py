"""The command ``python -m tools.debian.locks``: one list of libraries from several locks.

The locks of requirements/ have equal versions, so that their union is a lock too. A library that a
package takes from Debian, or installs in another way, is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from edge.errors import OutfeedError
from tools.debian.package import PackageError


def join_locks(
    texts: Iterable[str], *, only: Iterable[str] = (), without: Iterable[str] = ()
) -> str:
    """Return the union of locks: each library once, with its hashes.

    Raises PackageError where two locks name a library with the same marker and other versions.

    Args:
        texts: The locks, as `uv pip compile` writes them.
        only: The names of the libraries that are taken; empty: all.
        without: The names of libraries that are left out.
    """
    found: dict[tuple[str, str], str] = {}
    for text in texts:
        for block in _blocks(text):
            head = block.partition("\\")[0].strip()
            requirement, _, marker = (part.strip() for part in head.partition(";"))
            name = requirement.partition("==")[0]
            if name in without or (only and name not in only):
                continue
            known = found.setdefault((name, marker), block)
            if known.partition("\\")[0] != block.partition("\\")[0]:
                raise PackageError(f"{name}: the locks have different versions: make lock")
    return "".join(block for _, block in sorted(found.items()))


def _blocks(text: str) -> list[str]:
    """Return the requirements, each with the lines of its hashes."""
    blocks: list[str] = []
    for line in text.splitlines(keepends=True):
        if line[:1].isspace() and blocks:
            blocks[-1] += line
        elif line.strip() and not line.startswith("#"):
            blocks.append(line)
    return blocks


def main(arguments: list[str] | None = None) -> int:
    """Print the list. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.debian.locks", description=__doc__)
    parser.add_argument("locks", type=Path, nargs="+", help="files of requirements/")
    parser.add_argument("--only", action="append", default=[], help="take this library only")
    parser.add_argument("--without", action="append", default=[], help="leave this library out")
    options = parser.parse_args(arguments)
    try:
        texts = [each.read_text(encoding="utf-8") for each in options.locks]
        sys.stdout.write(join_locks(texts, only=options.only, without=options.without))
    except OutfeedError as error:
        print(f"tools.debian.locks: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
