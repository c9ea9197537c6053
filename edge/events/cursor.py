"""How far a journal has been published: a small file that the uplink writes and the journal reads.

The uplink may be another user, who faces the network: a link, a pipe or a lease in the file's place
reads as "nothing is known", too.

Losing it costs repeats, never events, so whatever is wrong with the file reads as "nothing is
known" and the uplink starts from the oldest row.

The file has two blocks that are written in turns, in place: one that is cut short leaves the other.
A new file for every position, renamed into place, costs an ext4 74 kB a time and this 4 kB
(bench/writes.py); the uplink saves once a second.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from edge.errors import JournalError
from edge.files import read_plain, write_durably

# While events flow. A crash repeats one second of them, which receivers drop.
SAVE_S = 1.0
_MAX_EARLIER = 64
_BLOCK_BYTES = 4096  # a page of the file system: neither write touches the other's


_Run = Annotated[str, Field(pattern=r"^[0-9a-f]{0,16}$")]


@dataclass(frozen=True, slots=True)
class Position:
    """All events of ``journal`` up to and including ``published`` are with the broker. run: the one
    that stored the event ``published``; empty where that is not known. earlier: runs before it of
    which events were published, the latest first; ``read_cursor`` knows them."""

    journal: str
    published: int
    run: str = ""
    earlier: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class _Saved:
    """A position and how many were written before it."""

    journal: str
    published: int
    run: _Run = ""
    earlier: tuple[_Run, ...] = ()
    turn: int = 0

    @property
    def position(self) -> Position:
        return Position(self.journal, self.published, self.run, self.earlier)


def read_cursor(path: Path) -> Position | None:
    """The position last written; None where the file is absent, unreadable or damaged."""
    try:
        saved = _newest(read_plain(path, 2 * _BLOCK_BYTES))
    except OSError:
        return None
    return None if saved is None else saved.position


def write_cursor(path: Path, position: Position) -> None:
    """Save the position: after a crash or power loss the file holds the old or the new one. Blocks
    for an fsync, and makes a file that is not there. One writer. Raises JournalError with one line.
    """
    try:
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            write_durably(path, _block(_next(position, None)).ljust(2 * _BLOCK_BYTES))
            return
        try:
            _write_in_turn(file, position)
        finally:
            os.close(file)
    except OSError as error:
        raise JournalError(f"{path}: cannot be written: {error.strerror}") from error


def _write_in_turn(file: int, position: Position) -> None:
    saved = _next(position, _newest(os.pread(file, 2 * _BLOCK_BYTES, 0)))
    os.pwrite(file, _block(saved), saved.turn % 2 * _BLOCK_BYTES)
    os.fdatasync(file)


def _next(position: Position, before: _Saved | None) -> _Saved:
    turn = 0 if before is None else before.turn + 1
    runs = list(position.earlier)
    if before is not None and before.journal == position.journal:
        runs += [before.run, *before.earlier]
    earlier = [run for run in dict.fromkeys(runs) if run not in ("", position.run)]
    return _Saved(
        position.journal, position.published, position.run, tuple(earlier[:_MAX_EARLIER]), turn
    )


def _block(saved: _Saved) -> bytes:
    """JSON, its checksum, and spaces up to the block's end."""
    text = _SAVED.dump_json(saved)
    return (text + b"\n%08x\n" % zlib.crc32(text)).ljust(_BLOCK_BYTES)


def _newest(data: bytes) -> _Saved | None:
    blocks = (_parsed(data[:_BLOCK_BYTES]), _parsed(data[_BLOCK_BYTES:]))
    return max(
        (saved for saved in blocks if saved is not None),
        key=lambda saved: saved.turn,
        default=None,
    )


def _parsed(block: bytes) -> _Saved | None:
    """None for a block that is empty, damaged or half-written."""
    text, newline, rest = block.partition(b"\n")
    # A file of an earlier version is one object and nothing else.
    if newline and rest.split() != [b"%08x" % zlib.crc32(text)]:
        return None
    try:
        saved = _SAVED.validate_json(text)
    except ValidationError:
        return None
    return saved if saved.published >= 0 else None


_SAVED = TypeAdapter(_Saved)
