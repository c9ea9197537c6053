"""The [trust] section of station.toml."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from edge.config.section import Section


class TrustConfig(Section):
    """Which bundles may run.

    keys: who may sign them: public keys as text, ``ed25519:…``, or files of one. compatible: what
    this station is; a bundle must name it. allow_downgrade: also a bundle of a lower version than
    one that ran here.
    """

    keys: tuple[str | Path, ...] = ()
    compatible: str = Field(default="outfeed", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    allow_downgrade: bool = False

    @field_validator("keys", mode="before")
    @classmethod
    def _keys(cls, value: object) -> object:
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
