"""The numbers of parts: none is given twice, whatever happens to the station or to its machine."""

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

# Numbers are reserved on the disk so many at a time, before they are used: after a power cut the
# next start goes on behind them. 17 minutes of 100 parts a second, in which the disk may refuse.
BLOCK_PARTS = 100_000

_DISK_S = 2.0  # for one save: the journal's thread has events to write
SAVE_S = 10.0  # between two saves while parts come: 36 MB a day
_IDLE_S = 60.0


class RunEnd(IntEnum):
    """The way a run ended; RUNNING: not known."""

    RUNNING = 0
    STOPPED = 1
    FAILED = 2
    CRASHED = 3


@dataclass(frozen=True, slots=True)
class SavedNumbers:
    """The numbers on the disk. reserved: no part beyond it was announced. announced: the last part
    at ``utc``. unjournalled: verdicts and lost events of which the journal had nothing at the
    end."""

    boot_id: str
    utc: str
    end: int
    announced: int
    reserved: int
    unjournalled: int = 0
    turn: int = 0
    at_ns: int | None = None

    @property
    def is_of_this_boot(self) -> bool:
        return self.boot_id == boot_id()


class PartNumberFile:
    """The file that reserves numbers. It never raises: a disk that refuses costs certainty, no
    part. Blocks for an fsync each, and for 2 s at most; one thread."""

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

    def keep(self, announced: int) -> None:
        """Reserve more where they run short, and note how far the line is, now and then."""
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
        """The run ends; nothing was announced beyond ``announced``. Whether the disk has it."""
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
    found = []
    for text in texts:
        try:
            found.append(_SAVED.validate_json(text))
        except ValidationError:
            continue
    return max(found, key=lambda each: each.turn, default=None)


_SAVED = TypeAdapter(SavedNumbers)
