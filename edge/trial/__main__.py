"""Decide about bundles from the network, as a separate process of the station.

python -m edge.trial --config station.toml
"""

from __future__ import annotations

import sys

from edge.child_programs import run_child
from edge.trial.process import run_trial

_SUMMARY = "Decide about bundles from the network, as a separate process."


def main(arguments: list[str] | None = None) -> int:
    """Work until SIGTERM or SIGINT. Return the exit status (edge/errors.py)."""
    return run_child("trial", _SUMMARY, run_trial, arguments)


if __name__ == "__main__":
    sys.exit(main())
