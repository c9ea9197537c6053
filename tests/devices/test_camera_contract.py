"""The contract of all cameras. A real one joins by a line in CAMERAS (tests/devices/cameras.py)."""

import logging
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest

from edge.devices.camera import Camera, EndOfFrames
from edge.devices.camera_files import FilesCamera
from edge.devices.camera_video import VideoCamera
from edge.errors import DeviceError, FrameError
from tests.devices import board
from tests.devices.cameras import CAMERAS, CLOCK, FRAMES, RECORDED, folder, video

EVERY = {**CAMERAS, **board.cameras()}


@pytest.fixture(params=EVERY)
def rig(request, tmp_path):
    (tmp_path / "0").mkdir()
    for made in EVERY[request.param](tmp_path / "0"):
        yield made
        made.camera.close()


@pytest.fixture(params=RECORDED)
def recording(request, tmp_path):
    made = []

    def one(*, loop: bool = False) -> Camera:
        made.append(RECORDED[request.param](tmp_path / str(len(made)), loop))
        return made[-1]

    (tmp_path / "0").mkdir()
    yield one
    for camera in made:
        camera.close()


def test_a_frame_carries_what_was_handed_in_and_its_exposure(rig):
    triggered_ns = rig.now_ns()
    frame = rig.camera.capture(7, 41, triggered_ns)
    assert (frame.part_id, frame.sequence, frame.triggered_ns) == (7, 41, triggered_ns)
    assert triggered_ns <= frame.exposed_ns <= rig.now_ns()


def test_every_frame_is_exposed_after_its_own_trigger_and_no_frame_comes_twice(rig):
    exposed = []
    for number in range(1, 13):
        rig.pause()
        triggered_ns = rig.now_ns()
        if number % 4 == 0:
            for _ in range(6):
                rig.pause()  # the reader is late: what waited since then is of other parts
        frame = rig.camera.capture(number, number, triggered_ns)
        assert frame.exposed_ns >= triggered_ns
        exposed.append(frame.exposed_ns)
    assert all(before < after for before, after in pairwise(exposed))


def test_a_frame_from_before_a_long_pause_is_never_given(rig):
    rig.camera.capture(1, 1, rig.now_ns())
    for _ in range(40):
        rig.pause()
    triggered_ns = rig.now_ns()
    assert rig.camera.capture(2, 2, triggered_ns).exposed_ns >= triggered_ns


def test_pixels_are_uint8_contiguous_grey_or_bgr(rig):
    pixels = rig.camera.capture(1, 1, rig.now_ns()).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.ndim == 2 or pixels.shape[2:] == (3,)


def test_a_frame_stays_as_it_was_when_later_ones_come(rig):
    first = rig.camera.capture(0, 0, rig.now_ns()).pixels
    before = first.copy()
    for n in range(1, 7):
        rig.pause()
        rig.camera.capture(n, n, rig.now_ns())
    assert np.array_equal(first, before)


def test_close_twice_then_capture_is_a_device_error(rig):
    rig.camera.close()
    rig.camera.close()
    with pytest.raises(DeviceError, match="after close"):
        rig.camera.capture(1, 1, rig.now_ns())


def test_frames_of_a_recording_come_in_order_then_the_end_again_and_again(recording):
    camera = recording()
    levels = [int(camera.capture(n, n, 0).pixels.mean()) for n in range(FRAMES)]
    assert levels == pytest.approx([40, 80, 120], abs=3)
    for _ in range(2):
        with pytest.raises(EndOfFrames):
            camera.capture(9, 9, 0)


def test_a_recording_in_a_loop_starts_again(recording):
    camera = recording(loop=True)
    levels = [int(camera.capture(n, n, 0).pixels.mean()) for n in range(2 * FRAMES)]
    assert levels[:FRAMES] == levels[FRAMES:]


def test_an_unreadable_file_is_named_and_the_next_one_comes(tmp_path):
    at = folder(tmp_path)
    (at / "in" / "1.png").write_bytes(b"broken")
    camera = FilesCamera(at, clock=CLOCK)
    camera.capture(1, 1, 0)
    with pytest.raises(FrameError, match=r"1\.png: is not a picture"):
        camera.capture(2, 2, 0)
    assert camera.capture(3, 3, 0).pixels.mean() == 120


def test_a_video_that_breaks_off_gives_the_frames_before_the_break(tmp_path, caplog):
    path = video(tmp_path, frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    camera = VideoCamera(path, clock=CLOCK)
    taken = []
    caplog.set_level(logging.WARNING, logger="edge.devices.camera_video")
    with suppress(EndOfFrames):
        while True:
            taken.append(int(camera.capture(1, 1, 0).pixels.mean()))
    assert 2 <= len(taken) < 20
    assert taken == pytest.approx([40 * (n % 5 + 1) for n in range(len(taken))], abs=3)
    assert [record.message.split()[0] for record in caplog.records] == ["video_ended_early"]
    camera.close()


def test_what_is_no_video_is_named(tmp_path, capfd):
    with pytest.raises(FrameError, match=r"none\.mp4: no such file"):
        VideoCamera(tmp_path / "none.mp4", clock=CLOCK)
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(FrameError, match=r"text\.mp4: is not a video"):
        VideoCamera(tmp_path / "text.mp4", clock=CLOCK)


def test_a_damaged_frame_of_a_video_is_refused_and_the_next_one_given(tmp_path):
    path = video(tmp_path, frames=12)
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data) - 2) if data[at : at + 3] == b"\xff\xd8\xff"]
    scan = data.index(b"\xff\xda", starts[5])
    end = data.index(b"\xff\xd9", scan)
    data[scan + 14 : end] = b"\xff" * (end - scan - 14)  # fill instead of the compressed data
    path.write_bytes(bytes(data))
    camera = VideoCamera(path, clock=CLOCK)
    shown: list[int | str] = []
    with suppress(EndOfFrames):
        while True:
            try:
                shown.append(int(camera.capture(1, 1, 0).pixels.mean()))
            except FrameError as error:
                shown.append(str(error))
    camera.close()
    damaged = [one for one in shown if isinstance(one, str)]
    assert len(damaged) == 1
    assert damaged[0].startswith(f"{path}: frame 6: is damaged")
    assert (len(shown), shown.index(damaged[0])) == (12, 5)
