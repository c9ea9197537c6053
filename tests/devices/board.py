"""The devices of the board that the tests run on, where OUTFEED_BOARD names its station.toml.

    OUTFEED_BOARD=/etc/outfeed/station.toml python -m pytest tests/devices

Without it nothing is added. docs/on-a-real-board.md says how to wire the board for this.
"""

from __future__ import annotations

from typing import Any


def triggers() -> dict[str, Any]:
    return {}


def outputs() -> dict[str, Any]:
    return {}


def cameras() -> dict[str, Any]:
    return {}
