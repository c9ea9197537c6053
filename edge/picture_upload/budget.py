"""The data that may be sent in a day, and the rate."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edge.journal.blocks import read_blocks, write_block

log = logging.getLogger(__name__)

_SAVE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class _Spent:
    day: str
    sent_bytes: int
    turn: int = 0


_SPENT = TypeAdapter(_Spent)


class DailyBudget:
    """Counts the bytes of a day, over restarts. For one thread.

    The file is written for each MiB that was sent. After a crash less than one MiB is forgotten. A
    clock that jumps can give a day its limit twice.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Read the file. A missing or damaged one counts as a day without an upload."""
        self._path = path
        self._max_bytes = max_bytes
        self._spent = _read(path)
        self._saved_bytes = self._spent.sent_bytes

    def left_bytes(self, day: str) -> int:
        """Return the bytes that may still be sent on this day, ``YYYY-MM-DD``."""
        spent = self._spent.sent_bytes if self._spent.day == day else 0
        return max(0, self._max_bytes - spent)

    def spend(self, day: str, sent_bytes: int) -> None:
        """Count bytes that were sent. Blocks for an fsync now and then."""
        before = self._spent.sent_bytes if self._spent.day == day else 0
        is_new_day = self._spent.day != day
        self._spent = _Spent(day, before + sent_bytes, self._spent.turn)
        if is_new_day or self._spent.sent_bytes - self._saved_bytes >= _SAVE_BYTES:
            self.save()

    def save(self) -> None:
        """Write the file. An error of the disk is logged."""
        self._spent = _Spent(self._spent.day, self._spent.sent_bytes, self._spent.turn + 1)
        try:
            write_block(self._path, _SPENT.dump_json(self._spent), self._spent.turn)
        except OSError as error:
            log.warning("upload_cannot_save reason=%s", error)
        self._saved_bytes = self._spent.sent_bytes


def _read(path: Path) -> _Spent:
    found = []
    try:
        for text in read_blocks(path):
            try:
                found.append(_SPENT.validate_json(text))
            except ValidationError:
                continue
    except OSError:
        pass
    return max(found, key=lambda each: each.turn, default=_Spent("", 0))
