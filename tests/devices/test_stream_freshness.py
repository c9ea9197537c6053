"""No frame of a stream that a part is given is older than the part, whatever delayed the frame.

The frames carry their true moment of exposure, over real sockets and through the real decoder. A
busy machine delays frames too, so a test waits until enough parts have their frame.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from edge.clock import MonotonicClock
from edge.devices.camera_stream import StreamCamera
from edge.errors import DeviceError, FrameError
from edge.records import Frame
from tests.devices.delayed import DelayedStream, number_of
from tests.edge import damaged

CLOCK = MonotonicClock()
MS = 1_000_000
LATENCY_MS = 50.0  # as measured on a quiet network: 20 to 40 ms, and what this machine adds
LIMIT_S = 60.0  # for a wait of some 3 s on an idle machine
TIMEOUT_NS = 10_000 * MS  # for a machine that stands still meanwhile


@contextmanager
def opened(
    delay_ms: Callable[[int], float | None], behind_ms: float = 1_000.0, **more: object
) -> Iterator[tuple[DelayedStream, StreamCamera]]:
    stream = DelayedStream(delay_ms, frame_ms=10.0, **more)  # type: ignore[arg-type]
    camera = None
    try:
        camera = StreamCamera(
            stream.url,
            latency_ns=round(LATENCY_MS * MS),
            least_latency_ns=10 * MS,
            timeout_ns=TIMEOUT_NS,
            clock=CLOCK,
            behind_ns=round(behind_ms * MS),
        )
        yield stream, camera
    finally:
        if camera is not None:
            camera.close()
        stream.close()


class Inspected:
    """Parts at random times: ``taken`` are their frames, each with its true moment of exposure,
    and ``missing`` is why other parts have none. ``has_ended``: the stream is no more."""

    def __init__(self, stream: DelayedStream, camera: StreamCamera) -> None:
        self.taken: list[tuple[Frame, int]] = []
        self.missing: list[str] = []
        self.has_ended = False
        self._stream = stream
        self._camera = camera
        self._random = Random(1)
        self._parts = 0

    def until(self, condition: Callable[[], bool]) -> None:
        """Inspect a part every 30 to 70 ms, or as soon as the camera is free."""
        limit_s = time.monotonic() + LIMIT_S
        while not condition():
            assert not self.has_ended, self.missing
            assert time.monotonic() < limit_s, (len(self.taken), self.missing)
            time.sleep(self._random.uniform(0.03, 0.07))
            self._inspect()

    def _inspect(self) -> None:
        self._parts += 1
        try:
            frame = self._camera.capture(self._parts, self._parts, CLOCK.now_ns())
        except FrameError as error:
            self.missing.append(str(error))
        except DeviceError as error:
            self.missing.append(str(error))
            self.has_ended = True
        else:
            self.taken.append((frame, self._stream.exposed_ns(frame.pixels)))


def usual(number: int) -> float:
    return 20.0 + number * 7 % 20


class Trouble:
    """The usual delays, and from ``begin`` on those of ``delay_ms`` for frames counted from 0.

    A machine of any load thus knows the pace before the frames are held up.
    """

    def __init__(self, delay_ms: Callable[[int], float | None]) -> None:
        self.first: int | None = None
        self._delay_ms = delay_ms
        self._has_begun = False

    def begin(self) -> None:
        self._has_begun = True

    def __call__(self, number: int) -> float | None:
        if not self._has_begun:
            return usual(number)
        if self.first is None:
            self.first = number
        late_ms = self._delay_ms(number - self.first)
        return None if late_ms is None else max(usual(number), late_ms)


def stalled(number: int) -> float:
    """Every 60 frames the network stands for 300 ms, and all that waited comes at once."""
    return 300.0 - 10 * (number % 60)


def slowly_drained(number: int) -> float:
    """After a stall it carries 1.25 times what the camera sends."""
    return 300.0 - 2.5 * number


def growing(number: int) -> float:
    """It carries a fifth less than what the camera sends."""
    return 40.0 + number * 2.5


def assert_none_is_older_than_its_part(inspected: Inspected) -> None:
    for frame, exposed_ns in inspected.taken:
        assert exposed_ns >= frame.triggered_ns - MS
        assert frame.exposed_ns <= exposed_ns + MS
        assert frame.exposed_by_ns is not None
        assert exposed_ns <= frame.exposed_by_ns + MS


def test_frames_with_the_usual_delay_are_accepted() -> None:
    with opened(usual) as (stream, camera):
        inspected = Inspected(stream, camera)
        inspected.until(lambda: len(inspected.taken) >= 10)
        assert_none_is_older_than_its_part(inspected)


@pytest.mark.parametrize("delay_ms", [stalled, slowly_drained])
def test_no_accepted_frame_is_older_than_its_part(delay_ms: Callable[[int], float]) -> None:
    trouble = Trouble(delay_ms)
    with opened(trouble, behind_ms=60_000) as (stream, camera):
        inspected = Inspected(stream, camera)
        inspected.until(lambda: len(inspected.taken) >= 3)
        trouble.begin()
        # Two stalls, or the queue has drained; and frames are accepted again.
        inspected.until(
            lambda: number_of(inspected.taken[-1][0].pixels) >= (trouble.first or 0) + 130
        )
        assert_none_is_older_than_its_part(inspected)


def test_no_frame_of_a_queue_that_grows_is_older_than_its_part() -> None:
    trouble = Trouble(growing)
    with opened(trouble) as (stream, camera):
        inspected = Inspected(stream, camera)
        inspected.until(lambda: len(inspected.taken) >= 3)
        trouble.begin()
        inspected.until(lambda: inspected.has_ended)
        assert "late, and stay so" in inspected.missing[-1]
        assert_none_is_older_than_its_part(inspected)


def test_frames_that_stay_late_end_the_stream_and_a_new_one_is_fresh() -> None:
    """A queue that never drains: arrivals are as even as ever, and all are 300 ms old."""
    trouble = Trouble(lambda number: 300.0 + usual(number) if stream.viewers == 1 else 0.0)
    with opened(trouble) as (stream, camera):
        inspected = Inspected(stream, camera)
        inspected.until(lambda: len(inspected.taken) >= 3)
        trouble.begin()
        inspected.until(lambda: inspected.has_ended)
        assert "late, and stay so" in inspected.missing[-1]
        again = StreamCamera(
            stream.url, latency_ns=round(LATENCY_MS * MS), timeout_ns=TIMEOUT_NS, clock=CLOCK
        )
        try:
            of_new = Inspected(stream, again)
            of_new.until(lambda: len(of_new.taken) >= 3)
        finally:
            again.close()
        for frame, exposed_ns in inspected.taken + of_new.taken:
            assert exposed_ns >= frame.triggered_ns - MS


def test_frames_that_were_dropped_are_a_queue_until_a_new_connection() -> None:
    """JPEGs by HTTP carry no time: a gap may be either."""
    trouble = Trouble(lambda number: None if number < 30 else 0.0)
    with opened(trouble) as (stream, camera):
        inspected = Inspected(stream, camera)
        inspected.until(lambda: len(inspected.taken) >= 3)
        trouble.begin()
        inspected.until(lambda: inspected.has_ended)
        assert all(exposed_ns >= frame.triggered_ns - MS for frame, exposed_ns in inspected.taken)
        unsure_ns = max(
            (frame.exposed_by_ns or 0) - frame.exposed_ns for frame, _ in inspected.taken
        )
        assert unsure_ns > 200 * MS  # which the rules for frames see (edge/line/freshness.py)
        assert "late, and stay so" in inspected.missing[-1]


def test_a_damaged_frame_is_a_frame_error() -> None:
    def cut(number: int, data: bytes) -> bytes:
        """Half of the frames, in no order that the times of the parts could follow."""
        return damaged.cut(data, Random(number)) if Random(number).random() < 0.5 else data

    with opened(usual, damage=cut) as (stream, camera):
        inspected = Inspected(stream, camera)

        inspected.until(lambda: min(len(inspected.taken), len(inspected.missing)) >= 3)
        assert {one.partition(": is ")[2] for one in inspected.missing} == {
            "damaged: premature end of data segment (JPEG)"
        }
        assert_none_is_older_than_its_part(inspected)
