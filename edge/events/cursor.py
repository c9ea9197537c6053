"""How far a journal has been published: a small file that the uplink writes and the journal reads.

Losing it costs repeats, never events, so whatever is wrong with the file reads as "nothing is
known" and the uplink starts from the oldest row.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edge.errors import JournalError
from edge.files import write_durably


@dataclass(frozen=True, slots=True)
class Position:
    """All events of ``journal`` up to and including ``published`` are with the broker."""

    journal: str
    published: int


def read_cursor(path: Path) -> Position | None:
    """The position last written; None where the file is absent, unreadable or damaged."""
    try:
        position = _POSITION.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return position if position.published >= 0 else None


def write_cursor(path: Path, position: Position) -> None:
    """Replace the file in one step: after a crash or power loss it holds the old or the new
    position. Blocks for two fsyncs. Raises JournalError with one line."""
    try:
        write_durably(path, _POSITION.dump_json(position))
    except OSError as error:
        raise JournalError(f"{path}: cannot be written: {error.strerror}") from error


_POSITION = TypeAdapter(Position)
