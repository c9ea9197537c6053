"""The thread between the station and the album."""

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
from edge.inbox import Inbox, Mark
from edge.pictures.album import SkippedPicture
from edge.pictures.buffered_frame import BufferedFrame, KeepReason
from edge.pictures.ring import FrameRing, held_bytes
from edge.pictures.rules import KeepRules
from edge.pictures.writer import ImageWriter
from edge.records import Frame, Verdict

_log = getLogger(__name__)

_TURN_S = 0.25  # how soon a mark is seen
_LOOK_S = 5.0  # between looks at how full the disk is
_NICE = 10  # of 19: what has a deadline goes before what has none

Marked = Callable[[Mark, str | None, Callable[[], None]], bool]
"""Journals a mark with its picture's name, None where there is none, and calls back on its thread
when the event is on the disk; False: not now."""


class ImageRecorder:
    """Holds the last frames, and writes those that somebody will look at to the album.

    ``record_frame``, ``record_inspection`` and ``record_verdict`` are for the station's threads and
    never wait for the disk. The thread ``pictures`` encodes and writes, at a lower priority than
    any other, and reads the inbox. No other thread waits for it. A disk that hangs stops this
    thread only, so it has no heartbeat.
    A disk that refuses is one line in the log, another one when it takes pictures again.

    Overflow rule: a picture that finds ``waiting`` others, or as many bytes as the ring may hold,
    before it is left out and counted.
    """

    def __init__(
        self,
        *,
        ring: FrameRing,
        scribe: ImageWriter,
        rules: KeepRules,
        max_waiting_bytes: int,
        inbox: Inbox | None = None,
        waiting: int = 16,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = ring
        self._scribe = scribe
        self._rules = rules
        self._inbox = inbox
        self._most_waiting = waiting
        self._most_bytes = max_waiting_bytes
        self._now_s = now_s
        self._waiting: deque[tuple[BufferedFrame, KeepReason]] = deque()
        self._waiting_bytes = 0
        self._counts: Counter[str] = Counter()
        self._on_mark: Marked | None = None
        self._journalled: deque[Mark] = deque()  # by the journal's thread
        self._told: set[str] = set()  # marks that the journal has and the inbox still holds
        self._look_s = 0.0
        self._refusing = self._overflowing = self._told_too_large = False
        self._closing = self._give_up = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    @property
    def counts(self) -> Mapping[str, int]:
        """Pictures kept by KeepReason, and skipped by SkippedPicture."""
        with self._condition:
            return dict(self._counts)

    def start(self, on_mark: Marked) -> None:
        """Start the thread. on_mark is called on it."""
        self._on_mark = on_mark
        self._thread.start()

    def record_frame(self, frame: Frame) -> None:
        """A part's frame is there."""
        shot = self._ring.put(frame)
        if shot is None:
            self._left_out(SkippedPicture.TOO_LARGE)
            if not self._told_too_large:
                _log.error("pictures_too_large part=%s: ring_mb holds no frame", frame.part_id)
            self._told_too_large = True
        elif shot.verdict is not None:  # the verdict was first: late
            self._judge(shot.verdict)

    def record_inspection(self, verdict: Verdict) -> None:
        """What the chain said of a part, in time or not."""
        self._ring.said(verdict)

    def record_verdict(self, verdict: Verdict) -> None:
        """A part has its one verdict."""
        self._ring.settled(verdict)
        self._judge(verdict)

    def dump(self, timeout_s: float) -> None:
        """The process dies: write what the ring holds, the latest first, as far as time and limits
        allow. In place of ``close``; at most timeout_s, twice where a hung thread has the ring."""
        shots = self._ring.ask_all(timeout_s)
        if self._condition.acquire(timeout=timeout_s):
            try:
                self._waiting.extend((shot, KeepReason.CRASH) for shot in shots)
            finally:
                self._condition.release()
        self.close(timeout_s)

    def close(self, timeout_s: float) -> None:
        """Write what waits, at most timeout_s long, and end the thread, where it does not hang."""
        if self._thread.ident is None:
            return
        self._closing = True  # the thread looks by itself, also where nobody can notify it
        self._thread.join(timeout_s)
        self._give_up = True
        if self._thread.is_alive():
            _log.warning("pictures_given_up waiting=%s", len(self._waiting))

    def _judge(self, verdict: Verdict) -> None:
        reason = self._rules.reason(verdict)
        if reason is None:
            return
        if (shot := self._ring.ask(verdict.part_id)) is None:
            return
        self._put(shot, reason)
        if reason is not KeepReason.PASS:
            for each in self._ring.ask_before(verdict.part_id, self._rules.before_parts):
                self._put(each, KeepReason.BEFORE)

    def _put(self, shot: BufferedFrame, reason: KeepReason) -> None:
        size = held_bytes(shot.frame.pixels)
        with self._condition:
            full = (
                len(self._waiting) >= self._most_waiting
                or self._waiting_bytes + size > self._most_bytes
                or self._closing
            )
            if not full:
                self._waiting.append((shot, reason))
                self._waiting_bytes += size
                self._condition.notify()
                return
            said, self._overflowing = self._overflowing, True
        self._left_out(SkippedPicture.OVERFLOW)
        if not said:
            _log.warning("pictures_overflow waiting=%s", len(self._waiting))

    def _left_out(self, why: SkippedPicture) -> None:
        with self._condition:
            self._counts[why.value] += 1

    def _run(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._give_up:
            item = self._next()
            if item is not None:
                self._keep(*item)
            elif self._closing:
                break
            else:
                self._look()
            self._read_inbox()
        self._confirm()

    def _next(self) -> tuple[BufferedFrame, KeepReason] | None:
        with self._condition:
            if not self._waiting and not self._closing:
                self._condition.wait(_TURN_S)
            if not self._waiting:
                self._overflowing = False
                return None
            shot, reason = self._waiting.popleft()
            self._waiting_bytes -= held_bytes(shot.frame.pixels)
            return shot, reason

    def _keep(
        self, shot: BufferedFrame, reason: KeepReason, mark: Mark | None = None
    ) -> str | None:
        """Its name, where it was written."""
        try:
            done = self._scribe.keep(shot, reason, mark)
        except PictureError as error:
            self._refused(str(error))
            done = SkippedPicture.DISK
        if isinstance(done, SkippedPicture):
            if done is SkippedPicture.NO_ROOM:
                self._refused("the disk has no more room than is reserved (min_free_mb)")
            self._left_out(done)
            return None
        if done is not None:
            with self._condition:
                self._counts[reason.value] += 1
            if self._refusing:
                _log.warning("pictures_taken_again")
            self._refusing = False
        return done

    def _refused(self, reason: str) -> None:
        if not self._refusing:
            _log.error("pictures_refused reason=%s", reason)
        self._refusing = True

    def _look(self) -> None:
        """Whether the disk is so full that pictures must go."""
        if (now_s := self._now_s()) < self._look_s:
            return
        self._look_s = now_s + _LOOK_S
        try:
            gone = self._scribe.give_way()
        except PictureError as error:
            self._refused(str(error))
            return
        if gone:
            _log.warning("pictures_gave_way count=%s", gone)

    def _confirm(self) -> None:
        """What the journal has goes out of the inbox."""
        while self._inbox is not None and self._journalled:
            mark = self._journalled.popleft()
            self._inbox.remove(mark)
            self._told.discard(mark.id)

    def _read_inbox(self) -> None:
        self._confirm()
        if self._inbox is None or self._on_mark is None or self._closing:
            return
        for mark in self._inbox.waiting():
            if mark.id not in self._told and self._on_mark(
                mark, self._marked(mark), partial(self._journalled.append, mark)
            ):
                self._told.add(mark.id)

    def _marked(self, mark: Mark) -> str | None:
        """The name of the part's picture, which has the mark now."""
        try:
            name = self._scribe.mark(mark)
        except PictureError as error:
            self._refused(str(error))
            return None
        shot = self._ring.get(mark.part_id) if name is None else None
        return name if shot is None else self._keep(shot, KeepReason.MARK, mark)
