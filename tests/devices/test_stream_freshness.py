"""No frame of a stream that a part is given is older than the part, whatever delayed the frame.

The frames carry their true moment of exposure, over real sockets and through the real decoder.
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
from tests.devices.delayed import DelayedStream
from tests.edge import damaged

CLOCK = MonotonicClock()
MS = 1_000_000
FIRST = 100  # of the frames that are held up: the pace is known by then, even on a busy machine
LATENCY_MS = 50.0  # as measured on a quiet network: 20 to 40 ms, and what this machine adds


@contextmanager
def opened(
    delay_ms: Callable[[int], float | None], timeout_ms: float = 600.0, **more: object
) -> Iterator[tuple[DelayedStream, StreamCamera]]:
    stream = DelayedStream(delay_ms, frame_ms=10.0, **more)  # type: ignore[arg-type]
    camera = None
    try:
        camera = StreamCamera(
            stream.url,
            latency_ns=round(LATENCY_MS * MS),
            least_latency_ns=10 * MS,
            timeout_ns=round(timeout_ms * MS),
            clock=CLOCK,
            behind_ns=1_000 * MS,
        )
        yield stream, camera
    finally:
        if camera is not None:
            camera.close()
        stream.close()


def inspect(
    stream: DelayedStream, camera: StreamCamera, seconds: float
) -> tuple[list[tuple[Frame, int]], list[str]]:
    """Frames with their true moment of exposure, and why other parts have none; a part every 50 ms
    or as soon as the camera is free."""
    taken: list[tuple[Frame, int]] = []
    missing: list[str] = []
    number, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.05)
        number += 1
        try:
            frame = camera.capture(number, number, CLOCK.now_ns())
        except FrameError as error:
            missing.append(str(error))
            continue
        except DeviceError as error:
            missing.append(str(error))
            break
        taken.append((frame, stream.exposed_ns(frame.pixels)))
    return taken, missing


def usual(number: int) -> float:
    return 20.0 + number * 7 % 20


def stalled(number: int) -> float:
    """Every 60 frames the network stands for 300 ms, and all that waited comes at once."""
    return max(usual(number), 300.0 - 10 * (number % 60)) if number >= FIRST else usual(number)


def slowly_drained(number: int) -> float:
    """After a stall it carries 1.25 times what the camera sends."""
    return max(usual(number), 300.0 - 2.5 * (number - FIRST)) if number >= FIRST else usual(number)


def growing(number: int) -> float:
    """From frame FIRST on it carries a fifth less than what the camera sends."""
    return usual(number) + max(0, number - FIRST) * 2.5


@pytest.mark.parametrize("delay_ms", [usual, stalled, slowly_drained, growing])
def test_no_accepted_frame_is_older_than_its_part(delay_ms: Callable[[int], float]) -> None:
    with opened(delay_ms) as (stream, camera):
        taken, missing = inspect(stream, camera, 1.8)
        for frame, exposed_ns in taken:
            assert exposed_ns >= frame.triggered_ns - MS
            assert frame.exposed_ns <= exposed_ns + MS
            assert frame.exposed_by_ns is not None
            assert exposed_ns <= frame.exposed_by_ns + MS
        assert len(taken) >= 3, missing
        if delay_ms is usual:
            assert not missing


def test_frames_that_stay_late_end_the_stream_and_a_new_one_is_fresh() -> None:
    """A queue that never drains: arrivals are as even as ever, and all are 300 ms old."""

    def late(number: int) -> float:
        return usual(number) + (300.0 if number >= 120 and stream_viewers() == 1 else 0.0)

    def stream_viewers() -> int:
        return stream.viewers

    with opened(late) as (stream, camera):
        taken, missing = inspect(stream, camera, 4.0)
        assert all(exposed_ns >= frame.triggered_ns - MS for frame, exposed_ns in taken)
        assert "late, and stay so" in missing[-1]
        again = StreamCamera(
            stream.url, latency_ns=round(LATENCY_MS * MS), timeout_ns=400 * MS, clock=CLOCK
        )
        try:
            taken, missing = inspect(stream, again, 0.5)
            assert taken
            assert not missing
        finally:
            again.close()


def test_frames_that_were_dropped_are_a_queue_until_a_new_connection() -> None:
    """JPEGs by HTTP carry no time: a gap may be either."""
    with opened(lambda n: None if 120 <= n < 150 else usual(n)) as (stream, camera):
        taken, missing = inspect(stream, camera, 4.0)
        assert all(exposed_ns >= frame.triggered_ns - MS for frame, exposed_ns in taken)
        unsure_ns = max((frame.exposed_by_ns or 0) - frame.exposed_ns for frame, _ in taken)
        assert unsure_ns > 200 * MS  # which the rules for frames see (edge/line/freshness.py)
        assert "late, and stay so" in missing[-1]


def test_a_damaged_frame_is_a_frame_error() -> None:
    def cut(number: int, data: bytes) -> bytes:
        return damaged.cut(data, Random(number)) if number % 3 else data

    with opened(usual, damage=cut) as (stream, camera):
        taken, missing = inspect(stream, camera, 0.8)
        assert taken
        assert missing
        assert {one.partition(": is ")[2] for one in missing} == {
            "damaged: premature end of data segment (JPEG)"
        }
        assert all(stream.exposed_ns(frame.pixels) >= frame.triggered_ns for frame, _ in taken)
