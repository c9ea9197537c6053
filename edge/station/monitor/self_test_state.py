"""The last sentinel of a station: the file ``sentinel.json`` of its state."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.files import write_whole

_MAX_BYTES = 16 * 1024


class SentinelState(BaseModel):
    """reason: what was not reproduced, empty where all was. is_starved: no moment was found for the
    next one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    utc: str = Field(max_length=40)
    bundle: str = Field(max_length=400)
    sentinel: str = Field(max_length=400)
    reason: str = Field(max_length=400)
    is_starved: bool


def read_sentinel(path: Path) -> SentinelState | None:
    """None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            return SentinelState.model_validate_json(file.read(_MAX_BYTES))
    except (OSError, ValidationError):
        return None


def write_sentinel(path: Path, state: SentinelState) -> None:
    """Replace the file. Blocks for an fsync. Raises OSError."""
    write_whole(path, state.model_dump_json().encode() + b"\n")
