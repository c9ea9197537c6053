"""The last parts of a station and their verdicts, in memory that outlasts its process."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from logging import getLogger
from pathlib import Path

from edge.clock import boot_id
from edge.records import Decision
from edge.station.part_numbers import PartNumberFile, RunEnd

_log = getLogger(__name__)

# Twice the journal's queue, so that all parts of the queue are here: 41 s at 100 parts a second.
CAPACITY = 4096

_MAGIC = b"OUTFEED2"
_HEADER_BYTES = 4096
_ENTRY = struct.Struct("<QQBBB5xQ")  # part, trigger, verdict, event state, is done, a check
_CHECK = 0x9E3779B97F4A7C15
_VERDICT_AT, _EVENT_AT, _DONE_AT = 16, 17, 18
_BYTES = _HEADER_BYTES + CAPACITY * _ENTRY.size
_DECISIONS = (None, Decision.PASS, Decision.REJECT, Decision.UNKNOWN)
_TEXT_BYTES = 256


class _EventState(IntEnum):
    """The state of a part's verdict event."""

    WAITING = 0
    JOURNALLED = 1
    LOST = 2
    """It found the journal's queue full."""
    VOID = 3
    """There was no part."""


class _At(IntEnum):
    """The offsets of the numbers in the header, in bytes."""

    FIRST_PART = 48
    SINCE = 56
    ANNOUNCED = 64
    HEARTBEAT_NS = 80
    GAP = 88
    GAP_FIRST = 96
    GAP_LAST = 104
    END = 112
    REFUSED = 120
    ACCOUNTED = 128
    UNWATCHED_NS = 136


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part without an event in the journal."""

    part_id: int
    triggered_ns: int
    decision: Decision | None
    """None: it had no verdict yet."""
    is_lost: bool
    """Its event was counted as lost."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The data of the previous run in the register."""

    end: RunEnd
    bundle: str
    first_part: int
    announced: int
    """The last announced part."""
    under_way: range
    """From the first to the last part without an ejector action in the journal."""
    unwatched_ns: int
    """The time without a running station since the last journalled start event."""
    gap: int
    """Events that found the queue full and are in no gap event."""
    gap_parts: range
    """The parts of these events."""
    refused: bool
    """The journal refused events at the end."""
    parts: tuple[OpenPart, ...]


class PartRegister:
    """Records the state of the last parts in memory. A record takes microseconds and no disk.

    Synchronization: each method has one caller at a time. After a kill of the process, all records
    are there except the one that was being written. After a reset of the machine, none is.
    """

    def __init__(
        self,
        memory: mmap.mmap | bytearray,
        path: Path | None = None,
        numbers: PartNumberFile | None = None,
    ) -> None:
        """To be called by ``open_register``."""
        self._memory = memory
        self.path = path
        self._numbers = numbers
        self.last = self._last_run()

    def begin(self, bundle: str, first_part: int) -> None:
        """Begin a run. The data of the previous run stay until its account is journalled."""
        if self.last is None:
            self._memory[:] = bytes(len(self._memory))
            self._put(_At.SINCE, first_part)
        else:
            # The times of runs that ended before their start event was journalled add up.
            self._put(_At.UNWATCHED_NS, self._unwatched_ns())
            self.last = replace(self.last, unwatched_ns=self._get(_At.UNWATCHED_NS))
        self._put(_At.FIRST_PART, first_part)
        self._put(_At.ANNOUNCED, first_part - 1)
        self._put(_At.END, RunEnd.RUNNING)
        self._put(_At.ACCOUNTED, 0)
        self._text(8, boot_id(), 40)
        self._text(256, bundle, _TEXT_BYTES)
        self.record_heartbeat()
        self._memory[:8] = _MAGIC

    def record_heartbeat(self) -> None:
        """Record the time at which the station runs."""
        self._put(_At.HEARTBEAT_NS, time.monotonic_ns())

    def record_part(self, part_id: int, triggered_ns: int) -> None:
        """Record a part, just before it is announced to the rejector."""
        self.record_heartbeat()
        entry = (part_id, triggered_ns, 0, _EventState.WAITING, 0, part_id ^ _CHECK)
        _ENTRY.pack_into(self._memory, _place(part_id), *entry)
        self._put(_At.ANNOUNCED, part_id)

    def record_verdict(self, part_id: int, decision: Decision) -> None:
        """Record the verdict on a part."""
        if self._has(part_id):
            self._memory[_place(part_id) + _VERDICT_AT] = _DECISIONS.index(decision)

    def mark_journalled(self, part_id: int) -> None:
        """Record that the event of a part's verdict is on the disk."""
        self._set_state(part_id, _EventState.JOURNALLED)

    def mark_void(self, part_id: int) -> None:
        """Record that there was no part."""
        self._set_state(part_id, _EventState.VOID)

    def count_lost(self, part_id: int | None) -> None:
        """Count an event that found the journal's queue full. part_id: for a verdict's event."""
        self._put(_At.GAP, self._get(_At.GAP) + 1)
        if part_id is None:
            return
        self._set_state(part_id, _EventState.LOST)
        if not self._get(_At.GAP_FIRST):
            self._put(_At.GAP_FIRST, part_id)
        self._put(_At.GAP_LAST, max(part_id, self._get(_At.GAP_LAST)))

    def mark_gap_journalled(self, count: int) -> None:
        """Record that a gap event for this many lost events is on the disk."""
        self._put(_At.GAP, max(0, self._get(_At.GAP) - count))
        if not self._get(_At.GAP):
            self._put(_At.GAP_FIRST, 0)
            self._put(_At.GAP_LAST, 0)

    def mark_done(self, part_id: int) -> None:
        """Record that the rejector has reported a part, and that no further event is needed."""
        if self._has(part_id):
            self._memory[_place(part_id) + _DONE_AT] = 1

    def set_refused(self, is_refused: bool) -> None:
        """Record whether the journal refuses events."""
        self._put(_At.REFUSED, is_refused)

    def mark_account_journalled(self) -> None:
        """Record that the account of the previous run is journalled."""
        first_part = self._get(_At.FIRST_PART)
        for part_id in self._not_done():
            if part_id < first_part:
                self.mark_done(part_id)
        for part in list(self._open_parts()):
            if part.part_id < first_part:
                # After a kill between the disk and the record, a journalled part is still open
                # here. A later start, whose tail does not contain it, must not journal it again.
                self._set_state(part.part_id, _EventState.JOURNALLED)
        self._put(_At.SINCE, first_part)
        self._put(_At.UNWATCHED_NS, 0)
        self._put(_At.ACCOUNTED, 1)

    def save(self) -> None:
        """Record a heartbeat. From time to time, save the announced numbers on the disk, which
        blocks."""
        self.record_heartbeat()
        if self._numbers is not None:
            self._numbers.update(self._get(_At.ANNOUNCED))

    def close(self, end: RunEnd, timeout_s: float) -> None:
        """End the run. Nothing is recorded afterwards. Waits for the disk, at most timeout_s.

        If every event is journalled, the memory is released.
        """
        self._put(_At.END, end)
        thread = threading.Thread(target=self._finish, args=(end,), name="numbers", daemon=True)
        thread.start()
        thread.join(timeout_s)

    def _finish(self, end: RunEnd) -> None:
        left = self._get(_At.GAP) + sum(not part.is_lost for part in self._open_parts())
        is_saved = self._numbers is not None and self._numbers.end(
            end, self._get(_At.ANNOUNCED), left
        )
        is_accounted = self._get(_At.ACCOUNTED) and not left
        if self.path is not None and is_saved and is_accounted and end is RunEnd.STOPPED:
            self.path.unlink(missing_ok=True)

    def _last_run(self) -> LastRun | None:
        """Return the previous run's data; None: there was no run since the machine started."""
        if bytes(self._memory[:8]) != _MAGIC or self._read_text(8, 40) != boot_id():
            return None
        gap_first, gap_last = self._get(_At.GAP_FIRST), self._get(_At.GAP_LAST)
        under_way = self._not_done()
        return LastRun(
            end=RunEnd(min(self._get(_At.END), RunEnd.CRASHED)),
            bundle=self._read_text(256, _TEXT_BYTES),
            first_part=self._get(_At.SINCE),
            announced=self._get(_At.ANNOUNCED),
            under_way=range(min(under_way), max(under_way) + 1) if under_way else range(0),
            unwatched_ns=self._unwatched_ns(),
            gap=self._get(_At.GAP),
            gap_parts=range(gap_first, gap_last + 1) if gap_first else range(0),
            refused=bool(self._get(_At.REFUSED)),
            parts=tuple(self._open_parts()),
        )

    def _unwatched_ns(self) -> int:
        """Return the time without a running station since the last journalled start event."""
        silent_ns = time.monotonic_ns() - self._get(_At.HEARTBEAT_NS)
        return self._get(_At.UNWATCHED_NS) + max(0, silent_ns)

    def _open_parts(self) -> Iterator[OpenPart]:
        is_gap_open = self._get(_At.GAP) > 0
        gap_first = self._get(_At.GAP_FIRST)
        parts = []
        for index in range(CAPACITY):
            at = _HEADER_BYTES + index * _ENTRY.size
            part_id, triggered_ns, verdict, state, _, check = _ENTRY.unpack_from(self._memory, at)
            if not part_id or check != part_id ^ _CHECK or verdict >= len(_DECISIONS):
                continue
            is_lost = state == _EventState.LOST
            if state == _EventState.WAITING or (is_lost and is_gap_open and part_id >= gap_first):
                parts.append(OpenPart(part_id, triggered_ns, _DECISIONS[verdict], is_lost))
        yield from sorted(parts, key=lambda part: part.part_id)

    def _not_done(self) -> list[int]:
        numbers = []
        for index in range(CAPACITY):
            at = _HEADER_BYTES + index * _ENTRY.size
            part_id, _, _, state, is_done, check = _ENTRY.unpack_from(self._memory, at)
            if part_id and check == part_id ^ _CHECK and not is_done and state != _EventState.VOID:
                numbers.append(part_id)
        return numbers

    def _set_state(self, part_id: int, state: _EventState) -> None:
        if self._has(part_id):
            self._memory[_place(part_id) + _EVENT_AT] = state

    def _has(self, part_id: int) -> bool:
        """Return whether the entry still belongs to this part and not to a later one."""
        return bool(struct.unpack_from("<Q", self._memory, _place(part_id))[0] == part_id)

    def _get(self, at: _At) -> int:
        return int(struct.unpack_from("<Q", self._memory, at)[0])

    def _put(self, at: _At, value: int) -> None:
        struct.pack_into("<Q", self._memory, at, value)

    def _text(self, at: int, text: str, size: int) -> None:
        self._memory[at : at + size] = text.encode()[:size].ljust(size, b"\0")

    def _read_text(self, at: int, size: int) -> str:
        return bytes(self._memory[at : at + size]).rstrip(b"\0").decode(errors="replace")


def open_register(
    station: str, state_dir: Path, numbers: PartNumberFile | None = None
) -> PartRegister:
    """Open the register of a station's folder, in $RUNTIME_DIRECTORY or /dev/shm.

    Neither is on a disk. If neither can be used, log a warning and return a temporary register.
    """
    name = hashlib.sha256(str(state_dir.absolute()).encode()).hexdigest()[:12]
    folder = Path(os.environ.get("RUNTIME_DIRECTORY", "/dev/shm").split(":")[0])
    path = folder / f"outfeed-{station}-{name}.parts"
    try:
        return PartRegister(_mapped(path), path, numbers)
    except OSError as error:
        _log.warning("part_register_refused path=%s reason=%s", path, error.strerror)
        return temporary_register(numbers)


def temporary_register(numbers: PartNumberFile | None = None) -> PartRegister:
    """Return a register that ends with the process."""
    return PartRegister(bytearray(_BYTES), None, numbers)


def _mapped(path: Path) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid():
            raise PermissionError(1, "is another user's")  # every user may write to /dev/shm
        os.posix_fallocate(file, 0, _BYTES)  # a write into a hole of a full tmpfs is a SIGBUS
        os.ftruncate(file, _BYTES)
        return mmap.mmap(file, _BYTES)
    finally:
        os.close(file)


def _place(part_id: int) -> int:
    return _HEADER_BYTES + part_id % CAPACITY * _ENTRY.size
