"""The recorder of pictures: it buffers frames and writes the selected ones on its own thread."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from logging import getLogger

from edge.errors import PictureError
from edge.inbox import Inbox, InboxItem, Mark
from edge.pictures.keep_rules import KeepReason, KeepRules
from edge.pictures.picture_store import SkippedPicture
from edge.pictures.provenance import PictureOrigin
from edge.pictures.ring import BufferedFrame, FrameRing, held_bytes
from edge.pictures.writer import ImageWriter
from edge.records import Frame, Verdict

_log = getLogger(__name__)

_TURN_S = 0.25  # longest time until a mark is read
_SPACE_CHECK_S = 5.0  # between checks of the free space on the disk
_NICE = 10  # of 19: threads with a deadline come first

Marked = Callable[[InboxItem, str | None, Callable[[], None]], bool]
"""Journals a mark with the file name of the part's picture, or an answer with None. It calls the
function, on its own thread, when the event is on the disk. It returns False if it cannot accept the
mark now."""


class ImageRecorder:
    """Buffers the last frames, and writes the selected ones to the picture store.

    Errors of the disk are logged once, and once more when a picture is written again.

    Overflow rule: a picture is skipped and counted if ``waiting`` others are waiting, or if they
    and it have more than ``max_waiting_bytes``.

    Synchronization: the ``record`` methods are called by the threads of the station and never wait
    for the disk. The thread ``pictures`` encodes, writes and reads the inbox, at a lower priority
    than the other threads. No other thread waits for it. A disk that hangs stops this thread only,
    so it has no heartbeat.
    """

    def __init__(
        self,
        *,
        ring: FrameRing,
        writer: ImageWriter,
        rules: KeepRules,
        max_waiting_bytes: int,
        inboxes: tuple[Inbox, ...] = (),
        waiting: int = 16,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = ring
        self._writer = writer
        self._rules = rules
        self._inboxes = inboxes
        self._most_waiting = waiting
        self._most_bytes = max_waiting_bytes
        self._now_s = now_s
        self._waiting: deque[tuple[BufferedFrame, KeepReason]] = deque()
        self._waiting_bytes = 0
        self._counts: Counter[str] = Counter()
        self._on_mark: Marked | None = None
        self._origin: PictureOrigin | None = None
        self._journalled: deque[tuple[Inbox, InboxItem]] = deque()  # filled by the journal's thread
        self._accepted: set[str] = set()  # ids of marks that the journal accepted
        self._space_check_s = 0.0
        self._is_failing = self._is_overflowing = self._has_logged_too_large = False
        self._is_closing = self._must_stop = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of stored pictures by KeepReason, and of others by SkippedPicture."""
        with self._condition:
            return dict(self._counts)

    def start(self, on_mark: Marked) -> None:
        """Start the thread. on_mark is called on it."""
        self._on_mark = on_mark
        self._thread.start()

    def record_frame(self, frame: Frame) -> None:
        """Buffer the frame of a part."""
        buffered = self._ring.put(frame)
        if buffered is None:
            self._count_skipped(SkippedPicture.TOO_LARGE)
            if not self._has_logged_too_large:
                _log.error("pictures_too_large part=%s: larger than ring_mb", frame.part_id)
            self._has_logged_too_large = True
        elif buffered.verdict is not None:  # the frame was late
            self._select(buffered.verdict)

    def record_inspection(self, verdict: Verdict) -> None:
        """Record the verdict of the chain on a part, in time or not."""
        self._ring.set_chain_verdict(verdict, self._origin)

    def use_origin(self, origin: PictureOrigin | None) -> None:
        """Take the origin of the verdicts from now on. On the thread of ``record_inspection``."""
        self._origin = origin

    def record_verdict(self, verdict: Verdict) -> None:
        """Record the final verdict on a part, and select its picture by the rules."""
        self._ring.set_verdict(verdict)
        self._select(verdict)

    def dump(self, timeout_s: float) -> None:
        """Write the frames in the ring, the latest first, as far as time and limits allow.

        Called instead of ``close`` when the process crashes. Blocks for timeout_s at most; for
        twice as long where a hung thread holds the lock of the ring.
        """
        frames = self._ring.request_all(timeout_s)
        if self._condition.acquire(timeout=timeout_s):
            try:
                self._waiting.extend((buffered, KeepReason.CRASH) for buffered in frames)
            finally:
                self._condition.release()
        self.close(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Write the waiting pictures for timeout_s at most, and end the thread unless it hangs."""
        if self._thread.ident is None:
            return
        self._is_closing = True  # the thread polls this, because a notification may be impossible
        self._thread.join(timeout_s)
        self._must_stop = True
        if self._thread.is_alive():
            _log.warning("pictures_given_up waiting=%s", len(self._waiting))

    def _select(self, verdict: Verdict) -> None:
        reason = self._rules.reason(verdict)
        if reason is None:
            return
        if (buffered := self._ring.request(verdict.part_id)) is None:
            return
        self._put(buffered, reason)
        if reason is not KeepReason.PASS:
            for each in self._ring.request_before(verdict.part_id, self._rules.before_parts):
                self._put(each, KeepReason.BEFORE)

    def _put(self, buffered: BufferedFrame, reason: KeepReason) -> None:
        size = held_bytes(buffered.frame.pixels)
        with self._condition:
            full = (
                len(self._waiting) >= self._most_waiting
                or self._waiting_bytes + size > self._most_bytes
                or self._is_closing
            )
            if not full:
                self._waiting.append((buffered, reason))
                self._waiting_bytes += size
                self._condition.notify()
                return
            was_overflowing, self._is_overflowing = self._is_overflowing, True
        self._count_skipped(SkippedPicture.OVERFLOW)
        if not was_overflowing:
            _log.warning("pictures_overflow waiting=%s", len(self._waiting))

    def _count_skipped(self, reason: SkippedPicture) -> None:
        with self._condition:
            self._counts[reason.value] += 1

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._must_stop:
            item = self._next()
            if item is not None:
                self._write(*item)
            elif self._is_closing:
                break
            else:
                self._check_space()
            self._read_inbox()
        self._confirm()

    def _next(self) -> tuple[BufferedFrame, KeepReason] | None:
        with self._condition:
            if not self._waiting and not self._is_closing:
                self._condition.wait(_TURN_S)
            if not self._waiting:
                self._is_overflowing = False
                return None
            buffered, reason = self._waiting.popleft()
            self._waiting_bytes -= held_bytes(buffered.frame.pixels)
            return buffered, reason

    def _write(
        self, buffered: BufferedFrame, reason: KeepReason, mark: Mark | None = None
    ) -> str | None:
        """Return the name of the picture; None: it was not written."""
        try:
            done = self._writer.write(buffered, reason, mark)
        except PictureError as error:
            self._log_failure(str(error))
            done = SkippedPicture.DISK
        if isinstance(done, SkippedPicture):
            if done is SkippedPicture.NO_SPACE:
                self._log_failure("the disk has only its reserve free (min_free_mb)")
            self._count_skipped(done)
            return None
        if done is not None:
            with self._condition:
                self._counts[reason.value] += 1
            if self._is_failing:
                _log.warning("pictures_taken_again")
            self._is_failing = False
        return done

    def _log_failure(self, reason: str) -> None:
        if not self._is_failing:
            _log.error("pictures_refused reason=%s", reason)
        self._is_failing = True

    def _check_space(self) -> None:
        """Remove old pictures if the disk is nearly full."""
        if (now_s := self._now_s()) < self._space_check_s:
            return
        self._space_check_s = now_s + _SPACE_CHECK_S
        try:
            removed = self._writer.make_space()
        except PictureError as error:
            self._log_failure(str(error))
            return
        if removed:
            _log.warning("pictures_gave_way count=%s", removed)

    def _confirm(self) -> None:
        """Remove the marks from the inbox that the journal has on the disk."""
        while self._journalled:
            inbox, mark = self._journalled.popleft()
            inbox.remove(mark)
            self._accepted.discard(mark.id)

    def _read_inbox(self) -> None:
        self._confirm()
        if self._on_mark is None or self._is_closing:
            return
        for inbox in self._inboxes:
            for mark in inbox.waiting():
                if mark.id in self._accepted:
                    continue
                picture = self._add_mark(mark) if isinstance(mark, Mark) else None
                stored = partial(self._journalled.append, (inbox, mark))
                if self._on_mark(mark, picture, stored):
                    self._accepted.add(mark.id)

    def _add_mark(self, mark: Mark) -> str | None:
        """Add the mark to the part's picture, or write the picture now. Return its name."""
        try:
            name = self._writer.add_mark(mark)
        except PictureError as error:
            self._log_failure(str(error))
            return None
        buffered = self._ring.request(mark.part_id, again=True) if name is None else None
        return name if buffered is None else self._write(buffered, KeepReason.MARK, mark)
