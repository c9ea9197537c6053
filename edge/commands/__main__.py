"""Decide about signed commands to a station, as a separate process.

python -m edge.commands --config station.toml
"""

from __future__ import annotations

import sys

from edge.child_programs import run_child
from edge.commands.process import run_commands

_SUMMARY = "Decide about signed commands to a station, as a separate process."


def main(arguments: list[str] | None = None) -> int:
    """Work until SIGTERM or SIGINT. Return the exit status (edge/errors.py)."""
    return run_child("commands", _SUMMARY, run_commands, arguments)


if __name__ == "__main__":
    sys.exit(main())
