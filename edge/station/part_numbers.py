"""The numbers of parts. None is used twice, even after a crash or a power cut."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from logging import getLogger
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from edge.bounded_reads import BoundedDisk
from edge.clock import boot_id, utc_now
from edge.journal.blocks import read_blocks, write_block

_log = getLogger(__name__)

# The count of numbers that are reserved on the disk together, before they are used. After a power
# cut the next start continues behind them. 17 minutes at 100 parts a second, in which the disk may
# refuse.
BLOCK_PARTS = 100_000

_DISK_S = 2.0  # for one save: the journal's thread must write events too
SAVE_S = 10.0  # between two saves while parts arrive: 36 MB a day
_IDLE_S = 60.0  # between two saves without new parts


class RunEnd(IntEnum):
    """The way in which a run ended."""

    RUNNING = 0
    """Not known: the run has not recorded its end."""
    STOPPED = 1
    FAILED = 2
    CRASHED = 3


@dataclass(frozen=True, slots=True)
class SavedNumbers:
    """The content of the file."""

    boot_id: str
    utc: str
    end: int
    announced: int
    """The last announced part at ``utc``."""

    reserved: int
    """No part beyond this number was announced."""

    unjournalled: int = 0
    """Verdicts and lost events that the journal did not contain at the end of the run."""

    turn: int = 0
    """The number of the save."""

    at_ns: int | None = None

    @property
    def is_of_this_boot(self) -> bool:
        return self.boot_id == boot_id()


class PartNumberFile:
    """The file that reserves part numbers.

    No method raises. While the disk refuses, the number of announced parts is less certain, but no
    part is lost. Each save blocks for an fsync, and for 2 s at most. For one thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._disk = BoundedDisk(_DISK_S)
        self.last = _read(path, self._disk)
        self._now = self.last
        self._saved_s = 0.0
        self._is_refused = False

    def begin(self, announced: int) -> None:
        """Reserve the first numbers of a run. announced: the last number before it."""
        self._save(RunEnd.RUNNING, announced, announced + BLOCK_PARTS)

    def update(self, announced: int) -> None:
        """Reserve more numbers when fewer than half of a block are left.

        Save the last announced part every 10 s; without new parts every 60 s.
        """
        now = self._now
        if now is None:
            self.begin(announced)
            return
        age_s = time.monotonic() - self._saved_s
        is_due = age_s > (SAVE_S if announced != now.announced else _IDLE_S)
        if now.reserved - announced < BLOCK_PARTS // 2:
            self._save(RunEnd.RUNNING, announced, announced + BLOCK_PARTS)
        elif is_due:
            self._save(RunEnd.RUNNING, announced, now.reserved)

    def end(self, end: RunEnd, announced: int, unjournalled: int) -> bool:
        """Save the end of the run. Return whether it is on the disk.

        announced: the last number that was announced.
        """
        return self._save(end, announced, announced, unjournalled)

    def _save(self, end: RunEnd, announced: int, reserved: int, unjournalled: int = 0) -> bool:
        turn = 0 if self._now is None else self._now.turn + 1
        saved = SavedNumbers(
            boot_id(),
            utc_now(),
            int(end),
            announced,
            reserved,
            unjournalled,
            turn,
            time.monotonic_ns(),
        )
        self._saved_s = time.monotonic()
        try:
            self._disk.does(partial(write_block, self._path, _SAVED.dump_json(saved), turn))
        except OSError as error:
            if not self._is_refused:
                _log.error("part_numbers_refused path=%s reason=%s", self._path, error.strerror)
            self._is_refused = True
            return False
        self._now, self._is_refused = saved, False
        return True


def _read(path: Path, disk: BoundedDisk) -> SavedNumbers | None:
    try:
        texts = disk.does(partial(read_blocks, path))
    except OSError:
        return None
    saves = []
    for text in texts:
        try:
            saves.append(_SAVED.validate_json(text))
        except ValidationError:
            continue
    return max(saves, key=lambda each: each.turn, default=None)


_SAVED = TypeAdapter(SavedNumbers)
