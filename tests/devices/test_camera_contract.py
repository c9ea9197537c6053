"""What every camera must do. A real one joins by a line in CAMERAS."""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.clock import MonotonicClock
from edge.devices.camera import Camera, EndOfFrames
from edge.devices.camera_files import FilesCamera
from edge.devices.camera_video import VideoCamera
from edge.errors import DeviceError, FrameError

CLOCK = MonotonicClock()
FRAMES = 3


def _picture(number: int) -> np.ndarray:
    return np.full((48, 64, 3), 40 * (number + 1), dtype=np.uint8)


def _folder(at: Path) -> Path:
    (at / "in").mkdir(parents=True)
    for number in range(FRAMES):
        cv2.imwrite(str(at / "in" / f"{number}.png"), _picture(number))
    return at


def _video(at: Path, frames: int = FRAMES) -> Path:
    path = at / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for number in range(frames):
        writer.write(_picture(number % 5))
    writer.release()
    return path


CAMERAS: dict[str, Callable[[Path, bool], Camera]] = {
    "files": lambda at, loop: FilesCamera(_folder(at), clock=CLOCK, loop=loop),
    "video": lambda at, loop: VideoCamera(_video(at), clock=CLOCK, loop=loop),
}


@pytest.fixture(params=CAMERAS)
def make(request, tmp_path):
    made = []

    def one(*, loop: bool = False) -> Camera:
        made.append(CAMERAS[request.param](tmp_path / str(len(made)), loop))
        return made[-1]

    (tmp_path / "0").mkdir()
    yield one
    for camera in made:
        camera.close()


def test_a_frame_carries_what_was_handed_in_and_its_exposure(make):
    camera = make()
    triggered_ns = CLOCK.now_ns()
    frame = camera.capture(7, 41, triggered_ns)
    assert (frame.part_id, frame.sequence, frame.triggered_ns) == (7, 41, triggered_ns)
    assert triggered_ns <= frame.exposed_ns <= CLOCK.now_ns()


def test_pixels_are_uint8_contiguous_grey_or_bgr(make):
    pixels = make().capture(1, 1, 0).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.ndim == 2 or pixels.shape[2:] == (3,)


def test_frames_come_in_order_then_the_end_again_and_again(make):
    camera = make()
    levels = [int(camera.capture(n, n, 0).pixels.mean()) for n in range(FRAMES)]
    assert levels == pytest.approx([40, 80, 120], abs=3)
    for _ in range(2):
        with pytest.raises(EndOfFrames):
            camera.capture(9, 9, 0)


def test_a_frame_stays_as_it_was_when_later_ones_come(make):
    camera = make(loop=True)
    first = camera.capture(0, 0, 0).pixels
    before = first.copy()
    for n in range(1, 5):
        camera.capture(n, n, 0)
    assert np.array_equal(first, before)


def test_loop_starts_again(make):
    camera = make(loop=True)
    levels = [int(camera.capture(n, n, 0).pixels.mean()) for n in range(2 * FRAMES)]
    assert levels[:FRAMES] == levels[FRAMES:]


def test_close_twice_then_capture_is_a_device_error(make):
    camera = make()
    camera.close()
    camera.close()
    with pytest.raises(DeviceError, match="after close"):
        camera.capture(1, 1, 0)


def test_an_unreadable_file_is_named_and_the_next_one_comes(tmp_path):
    folder = _folder(tmp_path)
    (folder / "in" / "1.png").write_bytes(b"broken")
    camera = FilesCamera(folder, clock=CLOCK)
    camera.capture(1, 1, 0)
    with pytest.raises(FrameError, match=r"1\.png: is not a picture"):
        camera.capture(2, 2, 0)
    assert camera.capture(3, 3, 0).pixels.mean() == 120


def test_a_video_that_breaks_off_gives_the_frames_before_the_break(tmp_path, caplog):
    path = _video(tmp_path, frames=20)
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
