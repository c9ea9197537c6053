"""The delay of the frames of a stream beyond their usual latency. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

# Directly after opening, waiting frames arrive at once; their intervals do not show the rate.
_SKIPPED = 8
SETTLING = 24  # intervals before a rate is used
_WINDOW = 512
_AGAIN = 64  # intervals between two measurements of the rate
_CERTAIN = 0.05  # largest relative error of the first rate
# Two clocks differ by up to 200 parts in a million (two crystals, with temperature).
_CLOCKS = 200e-6
_RATE = 0.001  # relative change of the rate of a camera while it is open
_SAME_RATE = 0.02  # stamps with a larger difference from the arrivals are not used
_GAP_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of a stream.

    frame_ns: time per frame. error: largest relative error of frame_ns. jitter_ns: range of the
    deviations of the arrivals from an even pace.
    """

    frame_ns: float
    error: float
    jitter_ns: float


class StreamDelay:
    """The accumulated delay of the frames of a stream against the pace of its camera.

    The delay is the time that a frame may have waited in a queue of the camera, the network or this
    machine. A frame that is later than its pace was delayed. Frames that follow faster than the
    pace come from a queue that drains, and reduce the delay. The pace is the difference of the
    stamps of the sender, or a measured constant frame rate where the stream has no stamps. Without
    stamps a dropped frame looks like a delay.

    Two delays are not measured: the latency that every frame has (latency_ms), and a delay that
    grows slowly. The limit is 0.02 % of the time with stamps. Without stamps it is 0.1 % plus the
    error of the rate: the jitter over the time of 24 to 512 frames, at most 5 %.

    One thread at a time may use it.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._last: tuple[int, int | None] | None = None
        self._intervals: deque[int] = deque(maxlen=_WINDOW)
        self._steps: deque[int] = deque(maxlen=_WINDOW)
        self._arrived = 0
        self._pace: Pace | None = None
        self._is_stamped = False
        self._lag_ns = 0.0
        self._excess_ns = 0.0
        self._since_ns: int | None = None

    @property
    def is_settled(self) -> bool:
        """True where the pace is known."""
        return self._pace is not None

    @property
    def behind_since_ns(self) -> int | None:
        """The arrival of the first late frame; None where the last frame was not late.

        A frame is late by more than one frame time, and so were all frames since this arrival.
        """
        return self._since_ns

    def arrived(self, at_ns: int, stamp_ns: int | None = None) -> int | None:
        """Add a frame. Return its possible delay against the least delayed frame, in nanoseconds.

        Return None while the pace is not known. at_ns: arrival. stamp_ns: by the clock of the
        sender, None without stamps.
        """
        last, self._last = self._last, (at_ns, stamp_ns)
        self._arrived += 1
        if last is None or self._arrived <= _SKIPPED:
            return None
        interval = at_ns - last[0]
        step = None if stamp_ns is None or last[1] is None else stamp_ns - last[1]
        if step is not None and not 0 < step < _GAP_NS:  # the clock of the sender was set
            self._begin()
            return None
        self._intervals.append(interval)
        if step is not None:
            self._steps.append(step)
        if self._pace is None or self._arrived % _AGAIN == 0:
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
        """Add one interval to two sums, the lag and the excess.

        The lag assumes the slowest possible pace, so that jitter brings it back to 0. The excess
        assumes the fastest possible pace, so that no frame seems fresher than it is; it returns to
        0 only together with the lag. An excess above the jitter is a queue, and then the lag
        assumes the fastest pace too.
        """
        assert self._pace is not None
        is_queue = self._excess_ns > self._pace.frame_ns + self._pace.jitter_ns
        late_ns = interval - frame_ns * (1 - error)
        lag_ns = late_ns if is_queue else interval - frame_ns * (1 + slack)
        self._lag_ns = max(0.0, self._lag_ns + lag_ns)
        self._excess_ns = max(0.0, self._excess_ns + late_ns) if self._lag_ns else 0.0

    def _learn(self) -> None:
        """Use the pace of the last intervals if it is more accurate than before.

        It must agree with the former pace, because a growing queue must not look like another rate.
        """
        if len(self._intervals) < SETTLING:
            return
        stamped = len(self._steps) == len(self._intervals)
        measured = _pace_of(self._intervals)
        if self._pace is None:
            steps = _pace_of(self._steps) if stamped else None
            self._is_stamped = (
                steps is not None and abs(steps.frame_ns / measured.frame_ns - 1) < _SAME_RATE
            )
            if measured.error <= _CERTAIN:
                self._pace = measured
            return
        is_same = abs(measured.frame_ns / self._pace.frame_ns - 1) <= self._pace.error
        if measured.error < self._pace.error and is_same:
            self._pace = measured


def _pace_of(intervals: deque[int]) -> Pace:
    """Return the mean interval, its relative error, and the jitter of the arrivals."""
    times = np.cumsum(np.array(intervals, np.float64))
    mean = times[-1] / len(times)
    off = times - mean * np.arange(1, len(times) + 1)
    jitter = float(off.max() - off.min())
    return Pace(float(mean), jitter / float(times[-1]), jitter)
