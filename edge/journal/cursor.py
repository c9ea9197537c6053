"""The cursor: a small file with the position up to which a journal has been published.

It also has the position up to which a central system has committed the events, where one states it.

The uplink writes it once a second, in place (edge/journal/blocks.py), and the journal reads it. A
missing or damaged file means that nothing is known; the uplink then starts at the oldest row. This
causes repeated events, but loses none. The uplink can run as another user, so a link, a pipe or a
lease in place of the file also means that nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from edge.errors import JournalError
from edge.events.identity import JournalPosition
from edge.journal.blocks import read_blocks, write_block

# Seconds between two saves while events are published. After a crash the events of one second are
# published again, and receivers drop them.
SAVE_S = 1.0
_MAX_EARLIER = 64
_MAX_SEQUENCE = 1 << 53  # above every journal, and still an exact number in SQLite and JSON


_Run = Annotated[str, Field(pattern=r"^[0-9a-f]{0,16}$")]


@dataclass(frozen=True, slots=True)
class _Saved:
    """A position, and in ``turn`` the number of positions that were written before it."""

    journal: str
    published: int
    run: _Run = ""
    earlier: tuple[_Run, ...] = ()
    turn: int = 0
    committed: int | None = None

    @property
    def position(self) -> JournalPosition:
        return JournalPosition(self.journal, self.published, self.run, self.earlier, self.committed)


def read_cursor(path: Path) -> JournalPosition | None:
    """Return the last written position; None if the file is missing, unreadable or damaged."""
    saved = _newest(path)
    return None if saved is None else saved.position


def write_cursor(path: Path, position: JournalPosition) -> None:
    """Save the position. After a crash or a power loss the file holds the old or the new one.

    A missing file is created. Blocks for an fsync. For one writer. Raises JournalError with one
    line.
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
        position.committed,
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
    committed = 0 if saved.committed is None else saved.committed
    return saved if 0 <= saved.published <= _MAX_SEQUENCE and committed >= 0 else None


_SAVED = TypeAdapter(_Saved)
