"""Publish the journal of a station over MQTT, as a separate process.

python -m edge.uplink --config station.toml
"""

from __future__ import annotations

import sys

from edge.child_programs import run_child
from edge.uplink.publisher import run_uplink

_SUMMARY = "Publish the journal of a station over MQTT, as a separate process."


def main(arguments: list[str] | None = None) -> int:
    """Work until SIGTERM or SIGINT. Return the exit status (edge/errors.py)."""
    return run_child("uplink", _SUMMARY, run_uplink, arguments)


if __name__ == "__main__":
    sys.exit(main())
