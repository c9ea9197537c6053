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
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edge.errors import JournalError
from edge.files import read_plain, write_durably

# While events flow. A crash repeats one second of them, which receivers drop.
SAVE_S = 1.0
_BLOCK_BYTES = 4096  # a page of the file system: neither write touches the other's


@dataclass(frozen=True, slots=True)
class Position:
    """All events of ``journal`` up to and including ``published`` are with the broker. run: the one
    that stored the event ``published``; empty where that is not known."""

    journal: str
    published: int
    run: str = ""


@dataclass(frozen=True, slots=True)
class _Saved:
    """A position and how many were written before it."""

    journal: str
    published: int
    run: str = ""
    turn: int = 0

    @property
    def position(self) -> Position:
        return Position(self.journal, self.published, self.run)


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
            first = _block(_Saved(position.journal, position.published, position.run))
            write_durably(path, first.ljust(2 * _BLOCK_BYTES))
            return
        try:
            _write_in_turn(file, position)
        finally:
            os.close(file)
    except OSError as error:
        raise JournalError(f"{path}: cannot be written: {error.strerror}") from error


def _write_in_turn(file: int, position: Position) -> None:
    found = _newest(os.pread(file, 2 * _BLOCK_BYTES, 0))
    turn = 0 if found is None else found.turn + 1
    block = _block(_Saved(position.journal, position.published, position.run, turn))
    os.pwrite(file, block, turn % 2 * _BLOCK_BYTES)
    os.fdatasync(file)


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
