"""The result of the last self-test of a station: the file ``self_test.json`` of its state."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.files import write_atomically

_MAX_BYTES = 16 * 1024


class SelfTestState(BaseModel):
    """The result of the last self-test."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    utc: str = Field(max_length=40)
    bundle: str = Field(max_length=400)
    subject: str = Field(
        max_length=400, description="file of the golden frame in the bundle, or 'part N'"
    )
    reason: str = Field(max_length=400, description="the difference; empty where it was reproduced")
    is_starved: bool = Field(description="there was no time for a self-test for three intervals")


def read_self_test(path: Path) -> SelfTestState | None:
    """Return the content of the file, or None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            return SelfTestState.model_validate_json(file.read(_MAX_BYTES))
    except (OSError, ValidationError):
        return None


def write_self_test(path: Path, state: SelfTestState) -> None:
    """Replace the file. Blocks for an fsync. Raises OSError."""
    write_atomically(path, state.model_dump_json().encode() + b"\n")
