"""The last parts of a station and their verdicts, in memory that outlives its process."""

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

# Twice the queue to the journal, so that everything in it is here: 41 s at 100 parts a second.
CAPACITY = 4096

_MAGIC = b"OUTFEED2"
_HEADER_BYTES = 4096
_ENTRY = struct.Struct("<QQBBB5xQ")  # part, trigger, verdict, its fate, is done, a check
_CHECK = 0x9E3779B97F4A7C15
_VERDICT_AT, _FATE_AT, _DONE_AT = 16, 17, 18
_BYTES = _HEADER_BYTES + CAPACITY * _ENTRY.size
_DECISIONS = (None, Decision.PASS, Decision.REJECT, Decision.UNKNOWN)
_TEXT_BYTES = 256


class _Fate(IntEnum):
    """Of a part's event. LOST: it found the queue to the journal full. VOID: it was no part."""

    WAITING = 0
    JOURNALLED = 1
    LOST = 2
    VOID = 3


class _At(IntEnum):
    """Where the numbers of the header are."""

    FIRST_PART = 48
    SINCE = 56
    ANNOUNCED = 64
    ALIVE_NS = 80
    GAP = 88
    GAP_FIRST = 96
    GAP_LAST = 104
    END = 112
    REFUSED = 120
    TOLD = 128
    UNWATCHED_NS = 136


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A part without an event in the journal. decision: None where it had no verdict yet. is_lost:
    it was counted as lost."""

    part_id: int
    triggered_ns: int
    decision: Decision | None
    is_lost: bool


@dataclass(frozen=True, slots=True)
class LastRun:
    """The previous run's data in the register. gap: events that found the queue full and are in no
    gap event. gap_parts: their parts. under_way: from the first to the last part of which the
    journal does not have the ejector's action. unwatched_ns: the time in which nobody has looked at
    the line since a start event was journalled."""

    end: RunEnd
    bundle: str
    first_part: int
    announced: int
    under_way: range
    unwatched_ns: int
    gap: int
    gap_parts: range
    refused: bool
    parts: tuple[OpenPart, ...]


class PartRegister:
    """Notes what happens to parts, as it happens: some bytes in memory, microseconds, no disk.

    Each note has one caller at a time. A process that is killed leaves everything but the note it
    was writing; a machine that is reset leaves nothing.
    """

    def __init__(
        self,
        memory: mmap.mmap | bytearray,
        path: Path | None = None,
        numbers: PartNumberFile | None = None,
    ) -> None:
        """Use ``open_register``."""
        self._memory = memory
        self.path = path
        self._numbers = numbers
        self.last = self._last_run()

    def begin(self, bundle: str, first_part: int) -> None:
        """A run begins. What the one before left stays until it is journalled."""
        if self.last is None:
            self._memory[:] = bytes(len(self._memory))
            self._put(_At.SINCE, first_part)
        else:
            # Runs that ended before the journal took their start event add up.
            self._put(_At.UNWATCHED_NS, self._unwatched_ns())
            self.last = replace(self.last, unwatched_ns=self._get(_At.UNWATCHED_NS))
        self._put(_At.FIRST_PART, first_part)
        self._put(_At.ANNOUNCED, first_part - 1)
        self._put(_At.END, RunEnd.RUNNING)
        self._put(_At.TOLD, 0)
        self._text(8, boot_id(), 40)
        self._text(256, bundle, _TEXT_BYTES)
        self.record_heartbeat()
        self._memory[:8] = _MAGIC

    def record_heartbeat(self) -> None:
        """Somebody looks at the line."""
        self._put(_At.ALIVE_NS, time.monotonic_ns())

    def record_part(self, part_id: int, triggered_ns: int) -> None:
        """A part is about to be announced to the rejector."""
        self.record_heartbeat()
        entry = (part_id, triggered_ns, 0, _Fate.WAITING, 0, part_id ^ _CHECK)
        _ENTRY.pack_into(self._memory, _place(part_id), *entry)
        self._put(_At.ANNOUNCED, part_id)

    def record_verdict(self, part_id: int, decision: Decision) -> None:
        """A part has its verdict."""
        if self._has(part_id):
            self._memory[_place(part_id) + _VERDICT_AT] = _DECISIONS.index(decision)

    def mark_journalled(self, part_id: int) -> None:
        """The event of a part's verdict is on the disk."""
        self._seal(part_id, _Fate.JOURNALLED)

    def mark_void(self, part_id: int) -> None:
        """There was no part."""
        self._seal(part_id, _Fate.VOID)

    def count_lost(self, part_id: int | None) -> None:
        """An event found the queue to the journal full. part_id: where it was a verdict's."""
        self._put(_At.GAP, self._get(_At.GAP) + 1)
        if part_id is None:
            return
        self._seal(part_id, _Fate.LOST)
        if not self._get(_At.GAP_FIRST):
            self._put(_At.GAP_FIRST, part_id)
        self._put(_At.GAP_LAST, max(part_id, self._get(_At.GAP_LAST)))

    def mark_gap_journalled(self, count: int) -> None:
        """A gap event for so many lost ones is on the disk."""
        self._put(_At.GAP, max(0, self._get(_At.GAP) - count))
        if not self._get(_At.GAP):
            self._put(_At.GAP_FIRST, 0)
            self._put(_At.GAP_LAST, 0)

    def mark_done(self, part_id: int) -> None:
        """The rejector has said what became of a part, and the journal has it where it should."""
        if self._has(part_id):
            self._memory[_place(part_id) + _DONE_AT] = 1

    def set_refused(self, is_refused: bool) -> None:
        """Return whether the disk takes events."""
        self._put(_At.REFUSED, is_refused)

    def mark_account_journalled(self) -> None:
        """The run before is accounted for, in the journal."""
        first_part = self._get(_At.FIRST_PART)
        for part_id in self._not_done():
            if part_id < first_part:
                self.mark_done(part_id)
        for part in list(self._open_parts()):
            if part.part_id < first_part:
                # A kill between the disk and its note leaves a part open that the journal has. A
                # later start, whose tail does not reach it, must not journal it again.
                self._seal(part.part_id, _Fate.JOURNALLED)
        self._put(_At.SINCE, first_part)
        self._put(_At.UNWATCHED_NS, 0)
        self._put(_At.TOLD, 1)

    def save(self) -> None:
        """The station runs. Bring to the disk, now and then, which numbers were given out; blocks
        for the disk then."""
        self.record_heartbeat()
        if self._numbers is not None:
            self._numbers.keep(self._get(_At.ANNOUNCED))

    def close(self, end: RunEnd, timeout_s: float) -> None:
        """The run ends; nothing is noted afterwards. Waits for the disk, at most so long. Where the
        journal has everything, the memory is given back."""
        self._put(_At.END, end)
        thread = threading.Thread(target=self._finish, args=(end,), name="numbers", daemon=True)
        thread.start()
        thread.join(timeout_s)

    def _finish(self, end: RunEnd) -> None:
        left = self._get(_At.GAP) + sum(not part.is_lost for part in self._open_parts())
        is_saved = self._numbers is not None and self._numbers.end(
            end, self._get(_At.ANNOUNCED), left
        )
        is_told = self._get(_At.TOLD) and not left
        if self.path is not None and is_saved and is_told and end is RunEnd.STOPPED:
            self.path.unlink(missing_ok=True)

    def _last_run(self) -> LastRun | None:
        """None where there was none in this boot."""
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
        """Return the time in which nobody looked at the line since the last journalled start
        event."""
        silent_ns = time.monotonic_ns() - self._get(_At.ALIVE_NS)
        return self._get(_At.UNWATCHED_NS) + max(0, silent_ns)

    def _open_parts(self) -> Iterator[OpenPart]:
        is_gap_open = self._get(_At.GAP) > 0
        gap_first = self._get(_At.GAP_FIRST)
        found = []
        for index in range(CAPACITY):
            at = _HEADER_BYTES + index * _ENTRY.size
            part_id, triggered_ns, verdict, fate, _, check = _ENTRY.unpack_from(self._memory, at)
            if not part_id or check != part_id ^ _CHECK or verdict >= len(_DECISIONS):
                continue
            is_lost = fate == _Fate.LOST
            if fate == _Fate.WAITING or (is_lost and is_gap_open and part_id >= gap_first):
                found.append(OpenPart(part_id, triggered_ns, _DECISIONS[verdict], is_lost))
        yield from sorted(found, key=lambda part: part.part_id)

    def _not_done(self) -> list[int]:
        found = []
        for index in range(CAPACITY):
            at = _HEADER_BYTES + index * _ENTRY.size
            part_id, _, _, fate, is_done, check = _ENTRY.unpack_from(self._memory, at)
            if part_id and check == part_id ^ _CHECK and not is_done and fate != _Fate.VOID:
                found.append(part_id)
        return found

    def _seal(self, part_id: int, fate: _Fate) -> None:
        if self._has(part_id):
            self._memory[_place(part_id) + _FATE_AT] = fate

    def _has(self, part_id: int) -> bool:
        """Return whether a later part has not taken its place."""
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
    """The register of a station's folder, in $RUNTIME_DIRECTORY or /dev/shm: neither is a disk. One
    that nobody finds again where neither can be used; the log says so."""
    name = hashlib.sha256(str(state_dir.absolute()).encode()).hexdigest()[:12]
    folder = Path(os.environ.get("RUNTIME_DIRECTORY", "/dev/shm").split(":")[0])
    path = folder / f"outfeed-{station}-{name}.parts"
    try:
        return PartRegister(_mapped(path), path, numbers)
    except OSError as error:
        _log.warning("part_register_refused path=%s reason=%s", path, error.strerror)
        return temporary_register(numbers)


def temporary_register(numbers: PartNumberFile | None = None) -> PartRegister:
    """A register that ends with the process."""
    return PartRegister(bytearray(_BYTES), None, numbers)


def _mapped(path: Path) -> mmap.mmap:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid():
            raise PermissionError(1, "is another user's")  # anybody may write to /dev/shm
        os.posix_fallocate(file, 0, _BYTES)  # a write into a hole of a full tmpfs is a SIGBUS
        os.ftruncate(file, _BYTES)
        return mmap.mmap(file, _BYTES)
    finally:
        os.close(file)


def _place(part_id: int) -> int:
    return _HEADER_BYTES + part_id % CAPACITY * _ENTRY.size
