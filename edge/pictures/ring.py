"""The last frames, in memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from edge.pictures.buffered_frame import BufferedFrame
from edge.records import Frame, Verdict


class FrameRing:
    """At most ``frames`` frames and ``max_bytes`` of pixels; the oldest make room.

    It holds the frames themselves, not copies: a camera's frame is its part's for good (a contract
    of edge/devices/camera.py that every camera's test proves), and a copy of 2048×1536×3 pixels
    costs 1 ms (bench/pictures.py). Any thread may call; a call takes microseconds whatever the disk
    does.
    """

    def __init__(self, *, frames: int, max_bytes: int) -> None:
        self._frames = frames
        self._max_bytes = max_bytes
        self._shots: OrderedDict[int, BufferedFrame] = OrderedDict()
        self._early: OrderedDict[int, Verdict] = OrderedDict()  # of parts whose frame is late
        self._bytes = 0
        self._guard = Lock()

    def put(self, frame: Frame) -> BufferedFrame | None:
        """Hold a part's frame; None for one that is larger than the whole ring."""
        size = held_bytes(frame.pixels)
        if size > self._max_bytes:
            return None
        shot = BufferedFrame(frame)
        with self._guard:
            shot.verdict = self._early.pop(frame.part_id, None)
            self._drop(self._shots.pop(frame.part_id, None))
            while len(self._shots) >= self._frames or self._bytes + size > self._max_bytes:
                self._drop(self._shots.popitem(last=False)[1])
            self._shots[frame.part_id] = shot
            self._bytes += size
        return shot

    def said(self, verdict: Verdict) -> None:
        """What the chain said of a part."""
        with self._guard:
            shot = self._shots.get(verdict.part_id)
            if shot is not None:
                shot.said = verdict

    def settled(self, verdict: Verdict) -> None:
        """A part's one verdict, whether or not its frame is here already."""
        with self._guard:
            shot = self._shots.get(verdict.part_id)
            if shot is not None:
                shot.verdict = verdict
                return
            self._early[verdict.part_id] = verdict
            if len(self._early) > self._frames:
                self._early.popitem(last=False)

    def ask(self, part_id: int) -> BufferedFrame | None:
        """The part's shot, for keeping; None where it is not here or was asked for before."""
        with self._guard:
            return self._asked(self._shots.get(part_id))

    def ask_before(self, part_id: int, count: int) -> tuple[BufferedFrame, ...]:
        """As ``ask``, of the ``count`` parts that came before this one, the latest first."""
        if not count:
            return ()
        with self._guard:
            before = sorted((n for n in self._shots if n < part_id), reverse=True)[:count]
            return tuple(shot for n in before if (shot := self._asked(self._shots[n])) is not None)

    def ask_all(self, timeout_s: float) -> tuple[BufferedFrame, ...]:
        """As ``ask``, of all parts, the latest first; none where a hung thread has the lock."""
        if not self._guard.acquire(timeout=timeout_s):
            return ()
        try:
            shots = (self._asked(shot) for shot in reversed(self._shots.values()))
            return tuple(shot for shot in shots if shot is not None)
        finally:
            self._guard.release()

    def get(self, part_id: int) -> BufferedFrame | None:
        """The part's shot, whether or not it was asked for before."""
        with self._guard:
            shot = self._shots.get(part_id)
            if shot is not None:
                shot.kept = True
            return shot

    def __len__(self) -> int:
        return len(self._shots)

    @property
    def size_bytes(self) -> int:
        """What the frames take, at most max_bytes."""
        return self._bytes

    def _asked(self, shot: BufferedFrame | None) -> BufferedFrame | None:
        if shot is None or shot.kept:
            return None
        shot.kept = True
        return shot

    def _drop(self, shot: BufferedFrame | None) -> None:
        if shot is not None:
            self._bytes -= held_bytes(shot.frame.pixels)


def held_bytes(pixels: NDArray[np.uint8]) -> int:
    """The memory that stays while these pixels do: of a view, the whole array behind it."""
    base = pixels.base
    return max(pixels.nbytes, base.nbytes) if isinstance(base, np.ndarray) else pixels.nbytes
