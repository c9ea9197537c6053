"""The state of a unit's identity, read from /etc/outfeed without further imports."""

from __future__ import annotations

import json
from pathlib import Path

SETTINGS = "station.toml"
MANIFEST = "identity.json"
PART, COMPLETE = ".identity.part", ".identity.new"
"""The hidden folders of an import: incomplete, and complete but not moved yet."""

_MAX_BYTES = 16 * 1024


def has_identity(folder: Path) -> bool:
    """Return whether the unit has an identity, imported or copied by hand."""
    return (folder / SETTINGS).exists()


def is_interrupted(folder: Path) -> bool:
    """Return whether a complete identity waits to be moved to its place."""
    return (folder / COMPLETE).is_dir()


def station_name(folder: Path) -> str | None:
    """Return the name of the station by the imported manifest, or None where there is none."""
    if not has_identity(folder):
        return None
    try:
        with (folder / MANIFEST).open("rb") as file:
            name = json.loads(file.read(_MAX_BYTES)).get("station")
    except (OSError, ValueError, AttributeError):
        return None
    return name if isinstance(name, str) and name else None


def host_name(station: str) -> str:
    """Return the host name for a station: letters, digits and dashes, in lower case (RFC 952)."""
    text = "".join(each if each.isalnum() and each.isascii() else "-" for each in station.lower())
    return text.strip("-") or "outfeed"
