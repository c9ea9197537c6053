"""A V4L2 camera on a device that the test plays: which frame it gives, or which error."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.devices.camera_v4l2 import V4l2Camera, V4l2Settings
from edge.devices.v4l2 import BufferFlag, Cap, Control
from edge.errors import DeviceError, FrameError
from tests.devices.clocks import MS
from tests.devices.fake_v4l2 import FakeVideo, level

END_OF_FRAME = BufferFlag.STAMP_MONOTONIC


def settings(video: FakeVideo, **given) -> V4l2Settings:
    asked = V4l2Settings(video.path, video.width, video.height, "grey", timeout_ns=500 * MS)
    return replace(asked, **given)


def opened(video: FakeVideo, **given) -> V4l2Camera:
    return V4l2Camera(settings(video, **given), clock=video.clock, calls=video)


def shown(camera: V4l2Camera, triggered_ns: int) -> tuple[int, float]:
    """Return the frame's exposure, in ms since the stream began at 1,000 ms, and its level."""
    frame = camera.capture(1, 1, triggered_ns)
    return (frame.exposed_ns - 1_000 * MS) // MS, float(frame.pixels.mean())


def test_the_first_frame_that_began_after_the_trigger_is_given():
    # Frames begin at 0, 20, 40 ... and are there 15 ms later.
    video = FakeVideo()
    camera = opened(video)
    asked = [21, 40, 41, 70]
    assert [shown(camera, (1_000 + at) * MS) for at in asked] == [
        (40, level(3)),
        (60, level(4)),  # 40 was given away
        (80, level(5)),
        (100, level(6)),
    ]
    assert camera.drained == 1


def test_what_waited_in_the_buffers_while_the_belt_stood_is_drained():
    video = FakeVideo()
    camera = opened(video)
    video.clock.ns = 60_000 * MS + 5 * MS  # a minute: four old frames fill the buffers
    assert shown(camera, video.clock.ns) == (59_020, level(2952))
    assert camera.drained == 4
    assert video.clock.ns == 60_035 * MS


def test_a_reader_that_is_late_gets_the_frame_of_its_part_while_the_buffers_still_have_it():
    video = FakeVideo()
    camera = opened(video)
    video.clock.ns = 1_095 * MS  # filled: those that began at 20, 40, 60 and 80
    assert shown(camera, 1_035 * MS) == (40, level(3))


def test_stamps_of_the_end_of_a_frame_are_taken_for_the_earliest_beginning_they_can_mean():
    video = FakeVideo(stamp_flags=END_OF_FRAME)
    camera = opened(video, exposure_us=5_000)
    # There at 35, 55, 75 ...; a frame's time is 20 ms and the exposure 5: not before 10, 30, 50 ...
    assert shown(camera, 1_030 * MS) == (30, level(3))
    assert shown(camera, 1_031 * MS) == (50, level(4))


def test_latency_ms_is_believed_instead():
    video = FakeVideo(stamp_flags=END_OF_FRAME)
    assert shown(opened(video, latency_ns=15 * MS), 1_030 * MS) == (40, level(3))
    video = FakeVideo()
    assert shown(opened(video, latency_ns=8 * MS), 1_030 * MS) == (32, level(3))


def test_an_end_of_frame_without_a_known_rate_needs_latency_ms():
    video = FakeVideo(stamp_flags=END_OF_FRAME, rates=False)
    with pytest.raises(DeviceError, match="its rate is not known: set latency_ms"):
        opened(video)
    assert video.opened == 0
    opened(video, latency_ns=0).close()


@pytest.mark.parametrize("clock", [0x0000, 0x4000])
def test_stamps_of_no_clock_or_of_another_one_are_refused(clock):
    with pytest.raises(DeviceError, match="does not stamp its frames with CLOCK_MONOTONIC"):
        opened(FakeVideo(stamp_flags=clock))


@pytest.mark.parametrize(
    ("offset_ns", "said"),
    [
        (
            90 * MS,
            "camera /dev/video0: stamps a frame in the future: its clock is not CLOCK_MONOTONIC",
        ),
        (
            -60_000 * MS,
            "camera /dev/video0: stamps a new frame as 60 s old: its clock is not CLOCK_MONOTONIC",
        ),
    ],
)
def test_stamps_that_cannot_be_of_this_clock_are_refused(offset_ns, said):
    video = FakeVideo(stamp_offset_ns=offset_ns)
    video.clock.ns = 100_000 * MS
    with pytest.raises(DeviceError) as caught:
        opened(video)
    assert str(caught.value) == said


def test_stamps_that_run_ahead_of_the_clock_are_taken_back_by_the_most_that_they_were_seen_to():
    video = FakeVideo(stamp_offset_ns=20 * MS)
    camera = opened(video)  # frame 1 began at 0, is there at 15 and stamped 20: 5 ahead
    # That is all that can be known: frame n seems to have begun 15 ms after it did.
    assert shown(camera, 1_030 * MS) == (35, level(2))
    assert shown(camera, 1_051 * MS) == (55, level(3))


@pytest.mark.parametrize("pixel_format", ["grey", "yuyv", "mjpeg"])
@pytest.mark.parametrize("padding", [0, 24])
def test_each_format_gives_the_picture_and_no_padding(pixel_format, padding):
    video = FakeVideo(padding=padding)
    pixels = opened(video, pixel_format=pixel_format).capture(1, 1, 1_001 * MS).pixels
    assert pixels.shape == ((24, 32) if pixel_format == "grey" else (24, 32, 3))
    assert np.abs(pixels.astype(int) - level(2)).max() <= 2


def test_a_damaged_frame_and_one_that_is_cut_short_are_one_parts_loss():
    video = FakeVideo(damaged={3}, cut={4})
    camera = opened(video, pixel_format="mjpeg")
    with pytest.raises(FrameError, match="camera /dev/video0: a frame was damaged in transfer"):
        camera.capture(1, 1, 1_040 * MS)
    with pytest.raises(FrameError, match="camera: is cut short: no end-of-image marker"):
        camera.capture(2, 2, 1_060 * MS)
    assert shown(camera, 1_080 * MS)[0] == 80
    raw = opened(FakeVideo(cut={2}))
    with pytest.raises(FrameError, match="camera: a frame of 384 bytes, expected 768"):
        raw.capture(1, 1, 1_020 * MS)


def test_a_frame_of_another_size_than_agreed_is_a_frame_error():
    video = FakeVideo()
    camera = opened(video, pixel_format="mjpeg")
    video.width, video.height = 16, 16
    with pytest.raises(FrameError, match="camera: a frame of 16×16 pixels, expected 32×24"):
        camera.capture(1, 1, 1_040 * MS)


def test_exposure_gain_and_rate_are_fixed_and_what_is_automatic_is_off():
    video = FakeVideo()
    opened(video, exposure_us=20_000, gain=64, rate_hz=50)
    assert {Control(key).name: held[0] for key, held in video.controls.items()} == {
        "EXPOSURE_AUTO": 1,
        "EXPOSURE_ABSOLUTE": 200,
        "GAIN": 64,
        "WHITE_BALANCE_AUTO": 0,
    }
    assert video.frame_ns == 20 * MS


def test_without_the_keys_exposure_and_gain_stay_as_they_are():
    video = FakeVideo()
    opened(video)
    held = {Control(key).name: held[0] for key, held in video.controls.items()}
    assert (held["EXPOSURE_AUTO"], held["EXPOSURE_ABSOLUTE"], held["GAIN"]) == (3, 156, 10)


def test_what_the_camera_rounds_is_a_line_in_the_log(caplog):
    opened(FakeVideo(), exposure_us=250, rate_hz=120)
    assert [record.message for record in caplog.records] == [
        "camera_rounds key=rate_hz asked=120 taken=100",
        "camera_rounds key=exposure_us asked=250 taken=200",
    ]


def test_an_analogue_gain_is_a_gain():
    video = FakeVideo(controls={Control.ANALOGUE_GAIN: [1, 0, 16]})
    opened(video, gain=4)
    assert video.controls == {Control.ANALOGUE_GAIN: [4, 0, 16]}


@pytest.mark.parametrize(
    ("video", "asked", "said"),
    [
        (FakeVideo(present=False), {}, "no such file or directory"),
        (FakeVideo(busy=True), {}, "is used by another process"),
        (FakeVideo(capabilities=Cap.STREAMING), {}, "does not capture video (a camera has"),
        (FakeVideo(), {"width": 64}, "delivers 32×24 GREY, expected 64×24 GREY"),
        (FakeVideo(formats=("YUYV",)), {}, "delivers 32×24 YUYV, expected 32×24 GREY"),
        (FakeVideo(controls={}), {"exposure_us": 100}, "has no control for exposure: remove"),
        (FakeVideo(controls={}), {"gain": 1}, "has no control for gain: remove the key"),
        (
            FakeVideo(controls={Control.EXPOSURE_AUTO: [0, 0, 0]}),
            {"exposure_us": 100},
            "does not accept exposure_auto 1",
        ),
        (FakeVideo(), {"gain": 400}, "sets gain to 255 instead of 400"),
        (FakeVideo(), {"rate_hz": 200}, "sets rate_hz to 100 instead of 200"),
        (FakeVideo(), {"exposure_us": 10}, "sets exposure_us to 100 instead of 10"),
        (FakeVideo(rates=False), {"rate_hz": 50}, "inappropriate ioctl for device"),
        (FakeVideo(pulses=deque()), {}, "delivers no fresh frame within 500 ms"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing_open(video, asked, said):
    before = video.opened
    with pytest.raises(DeviceError) as caught:
        opened(video, **asked)
    assert str(caught.value).startswith(f"camera /dev/video0: {said}")
    assert video.opened == before


def test_a_camera_that_is_pulled_out_says_so_at_once_and_can_be_opened_again():
    video = FakeVideo()
    camera = opened(video)
    video.present = False
    before_ns = video.clock.ns
    with pytest.raises(DeviceError, match="camera /dev/video0: is unplugged"):
        camera.capture(1, 1, before_ns)
    assert video.clock.ns == before_ns
    camera.close()
    video.present = True
    again = opened(video)
    assert again.capture(2, 2, video.clock.ns).exposed_ns >= before_ns


def test_a_camera_that_falls_silent_is_a_device_error_after_the_timeout():
    video = FakeVideo()
    camera = opened(video)
    video.next_ns = None
    triggered_ns = video.clock.ns
    with pytest.raises(DeviceError, match="delivers no fresh frame within 500 ms"):
        camera.capture(1, 1, triggered_ns)
    assert video.clock.ns - triggered_ns == 500 * MS


def test_a_triggered_camera_gives_the_frame_of_the_pulse_and_one_that_missed_it_is_one_parts_loss():
    pulses = deque([1_100 * MS, 1_300 * MS - 50_000])
    video = FakeVideo(pulses=pulses, path=Path("/dev/video4"))
    camera = opened(video, triggered=True, early_ns=100_000)
    assert shown(camera, 1_100 * MS) == (100, level(1))
    video.clock.ns = 1_200 * MS
    with pytest.raises(FrameError, match="video4: no fresh frame within 500 ms of its trigger"):
        camera.capture(2, 2, 1_310 * MS)  # that of 1,300 is not its own
    video.pulses.append(video.clock.ns)
    assert camera.capture(3, 3, video.clock.ns).exposed_ns == video.clock.ns - 15 * MS


def test_how_much_too_early_a_frame_may_seem_is_early_ns():
    for early_ns, wanted in ((0, 60), (500_000, 40)):
        video = FakeVideo()
        assert shown(opened(video, early_ns=early_ns), 1_040 * MS + 400_000)[0] == wanted


@pytest.mark.parametrize("exposure_us", [None, 5_000])
def test_a_stamp_of_the_end_of_a_frame_leaves_a_frame_s_time_open(exposure_us):
    video = FakeVideo(stamp_flags=END_OF_FRAME)
    frame = opened(video, exposure_us=exposure_us).capture(1, 1, 1_021 * MS)
    assert frame.exposed_by_ns is not None
    assert frame.exposed_by_ns - frame.exposed_ns == 20 * MS


def test_a_stamp_of_the_start_of_exposure_is_exact():
    assert opened(FakeVideo()).capture(1, 1, 1_021 * MS).exposed_by_ns is None
