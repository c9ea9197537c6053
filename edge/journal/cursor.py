"""How far a journal has been published: a small file that the uplink writes and the journal reads.

The uplink may be another user, who faces the network: a link, a pipe or a lease in the file's place
reads as "nothing is known", too.

Losing it costs repeats, never events, so whatever is wrong with the file reads as "nothing is
known" and the uplink starts from the oldest row.

The file is written in place (edge/journal/blocks.py); the uplink saves once a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from edge.errors import JournalError
from edge.events.identity import JournalPosition
from edge.journal.blocks import read_blocks, write_block

# While events flow. A crash repeats one second of them, which receivers drop.
SAVE_S = 1.0
_MAX_EARLIER = 64
_MOST = 1 << 53  # further than any journal comes, and still a number for SQLite and JSON


_Run = Annotated[str, Field(pattern=r"^[0-9a-f]{0,16}$")]


@dataclass(frozen=True, slots=True)
class _Saved:
    """A position and how many were written before it."""

    journal: str
    published: int
    run: _Run = ""
    earlier: tuple[_Run, ...] = ()
    turn: int = 0

    @property
    def position(self) -> JournalPosition:
        return JournalPosition(self.journal, self.published, self.run, self.earlier)


def read_cursor(path: Path) -> JournalPosition | None:
    """The position last written; None where the file is absent, unreadable or damaged."""
    saved = _newest(path)
    return None if saved is None else saved.position


def write_cursor(path: Path, position: JournalPosition) -> None:
    """Save the position: after a crash or power loss the file holds the old or the new one. Blocks
    for an fsync, and makes a file that is not there. One writer. Raises JournalError with one line.
    """
    before = _newest(path)
    runs = list(position.earlier)
    if before is not None and before.journal == position.journal:
        runs += [before.run, *before.earlier]
    earlier = [run for run in dict.fromkeys(runs) if run not in ("", position.run)]
    saved = _Saved(
        position.journal,
        position.published,
        position.run,
        tuple(earlier[:_MAX_EARLIER]),
        0 if before is None else before.turn + 1,
    )
    try:
        write_block(path, _SAVED.dump_json(saved), saved.turn)
    except OSError as error:
        raise JournalError(f"{path}: cannot be written: {error.strerror}") from error


def _newest(path: Path) -> _Saved | None:
    try:
        blocks = [_parsed(text) for text in read_blocks(path)]
    except OSError:
        return None
    return max(
        (saved for saved in blocks if saved is not None),
        key=lambda saved: saved.turn,
        default=None,
    )


def _parsed(text: bytes) -> _Saved | None:
    try:
        saved = _SAVED.validate_json(text)
    except ValidationError:
        return None
    return saved if 0 <= saved.published <= _MOST else None


_SAVED = TypeAdapter(_Saved)
