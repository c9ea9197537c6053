"""A stream over a real socket, decoded by the real library."""

import time

import pytest

from edge.clock import MonotonicClock
from edge.devices.camera_stream import StreamCamera
from edge.errors import DeviceError
from tests.devices.streams import JpegStream, level

CLOCK = MonotonicClock()
MS = 1_000_000


@pytest.fixture
def stream():
    made = JpegStream()
    yield made
    made.close()


@pytest.fixture
def camera(stream):
    made = StreamCamera(stream.url, latency_ns=0, timeout_ns=3_000 * MS, clock=CLOCK)
    yield made
    made.close()


def capture_for_ever(camera: StreamCamera) -> None:
    while True:
        camera.capture(1, 1, CLOCK.now_ns())


def test_a_frame_that_came_after_the_trigger_is_given_however_late_the_call(stream, camera):
    for number in range(1, 4):
        time.sleep(0.2)
        triggered_ns = CLOCK.now_ns()
        frame = camera.capture(number, number, triggered_ns)
        assert frame.pixels.shape == (48, 64, 3)
        assert triggered_ns <= frame.exposed_ns <= CLOCK.now_ns()
        # It was on its way for 0.1 s at most: the ten frames of the pause were not waiting.
        shown = float(frame.pixels.mean())
        recent = [n for n, at_ns in stream.sent if abs(at_ns - frame.exposed_ns) < 100 * MS]
        assert min(abs(level(n) - shown) for n in recent) < 4


def test_latency_makes_a_frame_older_than_its_arrival(stream):
    camera = StreamCamera(stream.url, latency_ns=150 * MS, timeout_ns=3_000 * MS, clock=CLOCK)
    triggered_ns = CLOCK.now_ns()
    frame = camera.capture(1, 1, triggered_ns)
    assert frame.exposed_ns >= triggered_ns
    assert CLOCK.now_ns() - triggered_ns >= 150 * MS
    camera.close()


def test_early_ns_takes_a_frame_that_may_be_that_much_too_early(stream):
    camera = StreamCamera(
        stream.url, latency_ns=2_000 * MS, early_ns=2_000 * MS, timeout_ns=1_500 * MS, clock=CLOCK
    )
    triggered_ns = CLOCK.now_ns()
    frame = camera.capture(1, 1, triggered_ns)
    assert triggered_ns - 2_000 * MS <= frame.exposed_ns < triggered_ns
    camera.close()


def test_a_stream_that_pauses_is_a_device_error_after_the_timeout(stream):
    camera = StreamCamera(stream.url, latency_ns=0, timeout_ns=300 * MS, clock=CLOCK)
    stream.paused = True
    with pytest.raises(DeviceError, match=r"no fresh frame within 300 ms|has ended"):
        capture_for_ever(camera)  # what is on its way still comes
    camera.close()


def test_a_stream_that_ends_is_a_device_error_and_another_one_can_be_opened(stream, camera):
    stream.cut = True
    with pytest.raises(
        DeviceError, match=r"camera http://127\.0\.0\.1:\d+/stream\.mjpg: has ended"
    ):
        capture_for_ever(camera)
    again = StreamCamera(stream.url, latency_ns=0, timeout_ns=3_000 * MS, clock=CLOCK)
    assert again.capture(1, 1, CLOCK.now_ns()).pixels.shape == (48, 64, 3)
    again.close()


def test_what_is_no_stream_is_one_line_without_its_password(stream):
    url = stream.url
    stream.close()
    with pytest.raises(DeviceError) as caught:
        StreamCamera(url, latency_ns=0, timeout_ns=300 * MS, clock=CLOCK)
    assert str(caught.value).endswith("/stream.mjpg: no stream that can be read")
    assert "secret" not in str(caught.value)
    assert "user" not in str(caught.value)
