"""``python -m tools.reference [--check]``: write or compare the generated reference pages."""

from __future__ import annotations

import argparse
import sys

from tools.reference import outdated_pages, write_pages


def main() -> int:
    """Write the pages; with --check, name those that are outdated and return 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if outdated")
    if not parser.parse_args().check:
        write_pages()
        return 0
    outdated = outdated_pages()
    for name in outdated:
        print(f"{name} is outdated: run python -m tools.reference", file=sys.stderr)
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
