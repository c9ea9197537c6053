"""A Pi camera on a stand-in for picamera2. A real board: docs/how-to/check-a-board.md."""

import sys
from collections import deque

import pytest

from edge.devices.camera_pi import PiCamera, PiSettings, monotonic
from edge.errors import ConfigError, DeviceError, FrameError
from tests.devices.clocks import MS
from tests.devices.fake_picamera2 import FakeSensor

S = 1_000 * MS


@pytest.fixture
def board(monkeypatch):
    def install(**given) -> FakeSensor:
        return FakeSensor(**given).install(monkeypatch)

    return install


def opened(sensor: FakeSensor, **given) -> PiCamera:
    settings = PiSettings(**{"width": 48, "height": 32, "timeout_ns": 500 * MS, **given})
    return PiCamera(settings, clock=sensor.clock, boottime_ns=sensor.boottime_ns)


def exposed_ms(camera: PiCamera, at_ms: float) -> float:
    """Capture for a trigger at that time; return when the frame was exposed; 0: the first frame."""
    return (camera.capture(1, 1, S + round(at_ms * MS)).exposed_ns - S) / MS


def test_the_first_frame_whose_exposure_began_after_the_trigger_is_given(board):
    sensor = board()
    camera = opened(sensor)
    # Exposures begin at 0, 20, 40 ...
    assert [exposed_ms(camera, at) for at in (21, 40, 61)] == [40, 60, 80]
    sensor.clock.ns = S + 60_000 * MS
    assert exposed_ms(camera, 60_000) == 60_000
    assert camera.drained == 2
    assert sensor.held == 0


@pytest.mark.parametrize("boottime", [True, False])
@pytest.mark.parametrize("asleep_ns", [0, 900, 3_600 * S])
def test_a_board_that_slept_has_two_clocks_and_either_is_understood(board, boottime, asleep_ns):
    sensor = board(asleep_ns=asleep_ns, boottime=boottime)
    assert exposed_ms(opened(sensor), 21) == pytest.approx(40, abs=0.001)


def test_stamps_of_either_clock_and_of_none():
    now_ns, hour_ns = 5_000 * S, 3_600 * S
    fresh_ns = now_ns - 30 * MS
    assert monotonic(fresh_ns, now_ns, now_ns) == fresh_ns
    assert monotonic(fresh_ns + hour_ns, now_ns, now_ns + hour_ns) == fresh_ns
    assert monotonic(fresh_ns, now_ns, now_ns + hour_ns) == fresh_ns
    # Slept 2 s only: it can be of both, and the earlier one is believed.
    assert monotonic(fresh_ns, now_ns, now_ns + 2 * S) == fresh_ns - 2 * S
    # Held for a minute while the belt stood.
    assert monotonic(now_ns - 60 * S, now_ns, now_ns) == now_ns - 60 * S
    assert monotonic(now_ns + 60 * S, now_ns, now_ns) is None
    assert monotonic(now_ns + MS // 2, now_ns, now_ns) == now_ns


def test_the_picture_is_fixed(board):
    sensor = board(exposure_us=500, gain=4.0)
    opened(sensor, exposure_us=500, gain=4.0, colour_gains=(1.8, 1.4), rate_hz=60)
    assert sensor.controls == {
        "AwbEnable": False,
        "ColourGains": (1.8, 1.4),
        "AeEnable": False,
        "ExposureTime": 500,
        "AnalogueGain": 4.0,
        "FrameDurationLimits": (16667, 16667),
    }


def test_without_the_keys_exposure_and_rate_are_the_cameras(board):
    sensor = board()
    opened(sensor)
    assert sensor.controls == {"AwbEnable": False, "ColourGains": (1.0, 1.0)}


def test_what_the_camera_rounds_is_a_line_in_the_log(board, caplog):
    opened(board(exposure_us=1_000, gain=8.0), exposure_us=500, gain=16.0)
    assert [record.message for record in caplog.records] == [
        "camera_rounds key=exposure_us asked=500 taken=1000",
        "camera_rounds key=gain asked=16 taken=8",
    ]


def test_colour_and_grey(board):
    sensor = board()
    colour = opened(sensor)
    assert colour.capture(1, 1, sensor.clock.ns).pixels.shape == (32, 48, 3)
    colour.close()
    pixels = opened(sensor, pixel_format="grey").capture(1, 1, sensor.clock.ns).pixels
    assert sensor.format == "YUV420"
    assert pixels.shape == (32, 48)
    assert pixels.flags.c_contiguous
    assert set(pixels.ravel().tolist()) == {int(pixels[0, 0])} != {128}


def test_a_triggered_sensor_gives_the_frame_of_its_pulse(board):
    sensor = board(pulses=deque([S + 100 * MS - 50_000, S + 200 * MS - 50_000]))
    camera = opened(sensor, triggered=True, early_ns=100_000)
    assert exposed_ms(camera, 100) == pytest.approx(99.95)
    assert exposed_ms(camera, 200) == pytest.approx(199.95)


def test_a_missed_trigger_is_one_parts_loss_and_the_request_for_it_is_kept(board):
    sensor = board(pulses=deque())
    camera = opened(sensor, triggered=True)
    for number in range(1, 7):
        with pytest.raises(FrameError, match="camera 0: no fresh frame within 500 ms of its trig"):
            camera.capture(number, number, sensor.clock.ns)
    at_ns = sensor.clock.ns
    sensor.pulses.append(at_ns + MS)
    assert camera.capture(9, 9, at_ns).exposed_ns == at_ns + MS
    assert sensor.held == 0


@pytest.mark.parametrize(
    ("sensor", "asked", "said"),
    [
        ({}, {"index": 1}, "camera 1: cannot be started: list index out of range"),
        ({"present": False}, {}, "camera 0: cannot be started: list index out of range"),
        ({"taken": True}, {}, "camera 0: cannot be started: Camera __init__ sequence did not"),
        ({}, {"width": 47}, "camera 0: cannot be started: width and height should be even"),
        ({"size": (64, 32)}, {}, "camera 0: delivers (64, 32) pixels, expected (48, 32)"),
        ({"silent": True}, {}, "camera 0: delivers no fresh frame within 500 ms"),
        (
            {"extra": {"SensorTimestamp": None}},
            {},
            "camera 0: does not report the time of exposure",
        ),
        (
            {"extra": {"SensorTimestamp": 1 << 60}},
            {},
            "camera 0: stamps its frames with an unknown",
        ),
    ],
)
def test_what_cannot_be_is_one_line_and_the_camera_is_free_again(board, sensor, asked, said):
    made = board(**sensor)
    with pytest.raises(DeviceError) as caught:
        opened(made, **asked)
    assert str(caught.value).startswith(said)
    assert made.taken is sensor.get("taken", False)
    assert made.held == 0


def test_a_camera_that_fails_is_a_device_error_and_closing_it_is_none(board, caplog):
    sensor = board()
    camera = opened(sensor)
    sensor.present = False
    with pytest.raises(DeviceError, match="camera 0: delivers no fresh frame within 500 ms"):
        camera.capture(1, 1, sensor.clock.ns)
    camera.close()
    assert [record.message for record in caplog.records] == [
        "camera_not_closed index=0 reason=Camera frontend has timed out"
    ]


def test_without_picamera2_the_line_says_what_to_install(board, monkeypatch):
    sensor = board()
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ConfigError, match="apt install python3-picamera2"):
        opened(sensor)
