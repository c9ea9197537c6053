"""The delay of a stream's frames beyond the usual one. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

# After opening, frames that waited meanwhile come at once: they tell nothing of the rate.
_SKIPPED = 8
SETTLING = 24  # intervals before a rate is believed
_WINDOW = 512
_AGAIN = 64  # intervals between two looks at the rate
_CERTAIN = 0.05  # of the rate, by which it may be wrong at first
# Two clocks differ by up to 200 parts in a million (two crystals, with temperature).
_CLOCKS = 200e-6
_RATE = 0.001  # by which a camera's rate may change while it is open
_SAME_RATE = 0.02  # stamps that differ more from the arrivals were made up on the way
_GAP_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """A frame's time, in nanoseconds; by which share of it that may be wrong; and how far arrivals
    lie apart from an even pace."""

    frame_ns: float
    error: float
    jitter_ns: float


class StreamDelay:
    """Adds up, over the arrivals of a stream, by how much each was later than the camera's own
    pace: what a frame may have waited in a queue of the camera, the network or this machine.

    A frame that is later than its pace was held up. Frames that follow faster than the pace are a
    queue that drains, and each is that much less behind. The pace is the difference of the
    sender's stamps where the stream carries them, else a constant frame rate, measured. A frame
    that was dropped and not held up looks late too without stamps: that cannot be told from here.

    What remains unseen: the delay that every frame has (latency_ms); and one that grows by less
    than 0.02 % of the time with stamps, or without by less than 0.1 % and what the rate may be
    wrong by: jitter over the time of 24 to 512 frames, at most 5 %. One thread.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._last: tuple[int, int | None] | None = None
        self._intervals: deque[int] = deque(maxlen=_WINDOW)
        self._steps: deque[int] = deque(maxlen=_WINDOW)
        self._seen = 0
        self._pace: Pace | None = None
        self._is_stamped = False
        self._lag_ns = 0.0
        self._excess_ns = 0.0
        self._since_ns: int | None = None

    @property
    def is_settled(self) -> bool:
        """Return whether the pace is known."""
        return self._pace is not None

    @property
    def behind_since_ns(self) -> int | None:
        """Arrival of the frame since which all were more than a frame's time late; None: the last
        one was not."""
        return self._since_ns

    def arrived(self, at_ns: int, stamp_ns: int | None = None) -> int | None:
        """A frame arrived. By how much it may be later than the least delayed one, in nanoseconds;
        None while the pace is not known. stamp_ns: by the sender's clock."""
        last, self._last = self._last, (at_ns, stamp_ns)
        self._seen += 1
        if last is None or self._seen <= _SKIPPED:
            return None
        interval = at_ns - last[0]
        step = None if stamp_ns is None or last[1] is None else stamp_ns - last[1]
        if step is not None and not 0 < step < _GAP_NS:  # the sender's clock was set
            self._begin()
            return None
        self._intervals.append(interval)
        if step is not None:
            self._steps.append(step)
        if self._pace is None or self._seen % _AGAIN == 0:
            self._learn()
        if self._pace is None:
            return None
        frame_ns, slack, error = self._pace.frame_ns, self._pace.error + _RATE, self._pace.error
        if self._is_stamped and step is not None:
            frame_ns, slack, error = step, _CLOCKS, _CLOCKS
        self._add(interval, frame_ns, slack, error)
        if self._excess_ns <= self._pace.frame_ns:
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = at_ns
        return round(self._excess_ns)

    def _add(self, interval: int, frame_ns: float, slack: float, error: float) -> None:
        """Two sums. The lag takes the pace for as slow as it may be, so that jitter brings it back
        to 0; only then the excess is 0 too, which takes it for as fast as it may be: no frame seems
        fresher than it is. Once it is above jitter there is a queue, and the lag may not forget."""
        assert self._pace is not None
        is_queue = self._excess_ns > self._pace.frame_ns + self._pace.jitter_ns
        late_ns = interval - frame_ns * (1 - error)
        lag_ns = late_ns if is_queue else interval - frame_ns * (1 + slack)
        self._lag_ns = max(0.0, self._lag_ns + lag_ns)
        self._excess_ns = max(0.0, self._excess_ns + late_ns) if self._lag_ns else 0.0

    def _learn(self) -> None:
        """Take the pace of the last intervals where it is better known than before, and the same:
        a queue that grows is no other rate."""
        if len(self._intervals) < SETTLING:
            return
        stamped = len(self._steps) == len(self._intervals)
        found = _pace_of(self._intervals)
        if self._pace is None:
            steps = _pace_of(self._steps) if stamped else None
            self._is_stamped = (
                steps is not None and abs(steps.frame_ns / found.frame_ns - 1) < _SAME_RATE
            )
            if found.error <= _CERTAIN:
                self._pace = found
            return
        is_same = abs(found.frame_ns / self._pace.frame_ns - 1) <= self._pace.error
        if found.error < self._pace.error and is_same:
            self._pace = found


def _pace_of(intervals: deque[int]) -> Pace:
    """The mean, and the most by which arrivals lay off it, over all the time."""
    times = np.cumsum(np.array(intervals, np.float64))
    mean = times[-1] / len(times)
    off = times - mean * np.arange(1, len(times) + 1)
    jitter = float(off.max() - off.min())
    return Pace(float(mean), jitter / float(times[-1]), jitter)
