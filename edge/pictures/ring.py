"""The last frames of parts, in memory, with the verdicts on them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from edge.pictures.provenance import PictureOrigin
from edge.records import Frame, Verdict


@dataclass(slots=True)
class BufferedFrame:
    """The frame of a part, and the verdicts on it.

    verdict: the final verdict on the part. chain_verdict: the verdict of the chain, in time or not;
    for a frame that the chain refused, UNKNOWN with the error. Both are set once, under the lock of
    the ring, and are None until then. is_requested: its picture is to be stored. origin: that of
    the chain's verdict; None: the one of the writer.
    """

    frame: Frame
    verdict: Verdict | None = None
    chain_verdict: Verdict | None = None
    is_requested: bool = False
    origin: PictureOrigin | None = None


class FrameRing:
    """At most ``frames`` frames and ``max_bytes`` of pixels. The oldest are removed.

    The ring holds the frames themselves, not copies. A camera never writes into a frame that it has
    handed over (a contract of edge/devices/camera.py, which the test of each camera checks). A copy
    of 2048×1536×3 pixels takes 1 ms (bench/pictures.py).

    Synchronization: any thread may call. A call takes microseconds and never waits for the disk.
    """

    def __init__(self, *, frames: int, max_bytes: int) -> None:
        self._frames = frames
        self._max_bytes = max_bytes
        self._buffered: OrderedDict[int, BufferedFrame] = OrderedDict()
        self._early: OrderedDict[int, Verdict] = OrderedDict()  # their frame has not come
        self._bytes = 0
        self._lock = Lock()

    def put(self, frame: Frame) -> BufferedFrame | None:
        """Add the frame of a part. Return None for a frame that is larger than the whole ring."""
        size = held_bytes(frame.pixels)
        if size > self._max_bytes:
            return None
        buffered = BufferedFrame(frame)
        with self._lock:
            buffered.verdict = self._early.pop(frame.part_id, None)
            self._drop(self._buffered.pop(frame.part_id, None))
            while len(self._buffered) >= self._frames or self._bytes + size > self._max_bytes:
                self._drop(self._buffered.popitem(last=False)[1])
            self._buffered[frame.part_id] = buffered
            self._bytes += size
        return buffered

    def set_chain_verdict(self, verdict: Verdict, origin: PictureOrigin | None = None) -> None:
        """Record the verdict of the chain on a part, and its origin."""
        with self._lock:
            buffered = self._buffered.get(verdict.part_id)
            if buffered is not None:
                buffered.chain_verdict, buffered.origin = verdict, origin

    def set_verdict(self, verdict: Verdict) -> None:
        """Record the final verdict on a part, whether or not its frame has come."""
        with self._lock:
            buffered = self._buffered.get(verdict.part_id)
            if buffered is not None:
                buffered.verdict = verdict
                return
            self._early[verdict.part_id] = verdict
            if len(self._early) > self._frames:
                self._early.popitem(last=False)

    def request(self, part_id: int, *, again: bool = False) -> BufferedFrame | None:
        """Return the frame of a part, whose picture is to be stored.

        Return None if the frame is not in the ring, or was requested before. again: return it in
        the second case too.
        """
        with self._lock:
            return self._request(self._buffered.get(part_id), again=again)

    def request_before(self, part_id: int, count: int) -> tuple[BufferedFrame, ...]:
        """Like ``request``, for the ``count`` parts before this one, the latest first."""
        if not count:
            return ()
        with self._lock:
            before = sorted((n for n in self._buffered if n < part_id), reverse=True)[:count]
            return self._request_each(self._buffered[n] for n in before)

    def request_all(self, timeout_s: float) -> tuple[BufferedFrame, ...]:
        """Like ``request``, for all parts, the latest first.

        Return nothing where a hung thread holds the lock for longer than timeout_s.
        """
        if not self._lock.acquire(timeout=timeout_s):
            return ()
        try:
            return self._request_each(reversed(self._buffered.values()))
        finally:
            self._lock.release()

    def __len__(self) -> int:
        return len(self._buffered)

    @property
    def size_bytes(self) -> int:
        """The memory of the frames, at most max_bytes."""
        return self._bytes

    def _request(
        self, buffered: BufferedFrame | None, *, again: bool = False
    ) -> BufferedFrame | None:
        if buffered is None or (buffered.is_requested and not again):
            return None
        buffered.is_requested = True
        return buffered

    def _request_each(self, frames: Iterable[BufferedFrame]) -> tuple[BufferedFrame, ...]:
        return tuple(each for each in frames if self._request(each) is not None)

    def _drop(self, buffered: BufferedFrame | None) -> None:
        if buffered is not None:
            self._bytes -= held_bytes(buffered.frame.pixels)


def held_bytes(pixels: NDArray[np.uint8]) -> int:
    """Return the memory that these pixels keep allocated: for a view, the whole base array."""
    base = pixels.base
    return max(pixels.nbytes, base.nbytes) if isinstance(base, np.ndarray) else pixels.nbytes
