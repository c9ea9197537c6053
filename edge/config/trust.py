"""The section [trust] of station.toml."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from edge.config.section import ConfigSection


class TrustConfig(ConfigSection):
    """The rules for the bundles that may run on this station."""

    keys: tuple[str | Path, ...] = Field(
        default=(),
        title="Public keys of signers",
        description=(
            "Each entry is a public key as text, `ed25519:` and 64 hexadecimal digits, or a file "
            "that contains one. `outfeed bundle keygen` makes them. A bundle that none of these "
            "keys signed is refused. Without the key no bundle can run."
        ),
    )
    operator_keys: tuple[str | Path, ...] = Field(
        default=(),
        title="Public keys of operators",
        description=(
            "The keys that may sign commands to this station, in the form of `keys`. They cannot "
            "sign bundles, and `keys` cannot sign commands. The kinds of commands are listed in "
            "`commands.accept`."
        ),
    )
    compatible: str = Field(
        default="outfeed",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        title="Type of this station",
        description=(
            "The type of this station. A bundle states the types that it is for, and is refused on "
            "others."
        ),
    )
    allow_downgrade: bool = Field(
        default=False,
        title="Accept an older bundle",
        description=(
            "true: a bundle of a lower version than one that has run on this station is accepted."
        ),
    )

    @field_validator("keys", "operator_keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
        return key_entries(value)


def key_entries(value: object) -> object:
    """Return a list of public keys with a Path for each file. Raises ValueError."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(_key(entry) for entry in value)


def _key(entry: object) -> object:
    if isinstance(entry, str) and entry.startswith("ed25519:"):
        if re.fullmatch(r"ed25519:[0-9a-f]{64}", entry) is None:
            raise ValueError("a key is ed25519: and 64 hex digits")
        return entry
    if isinstance(entry, Path) or (isinstance(entry, str) and entry):
        return Path(entry)
    raise ValueError("a key is a text, ed25519: and 64 hex digits or the path of a file")
