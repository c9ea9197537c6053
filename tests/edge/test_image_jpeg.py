"""No JPEG passes for whole of which a part is missing, left over or in the wrong place."""

from collections import Counter
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest

from edge.devices import pixels as camera_pixels
from edge.errors import FrameError
from edge.images import decode_image
from tests.edge import damaged
from tests.edge.damaged import BURST, END, FOUND, jpeg, scan_at, texture

REAL = Path(__file__).resolve().parents[2] / "../shared/data/magnetic_tile"
GREY = texture()
COLOUR = np.dstack([texture(1), texture(2), texture(3)])
RESTARTS = (cv2.IMWRITE_JPEG_RST_INTERVAL, 4)
PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
SAMPLINGS = {
    name: getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{name}")
    for name in ("411", "420", "422", "440", "444")
}
WHOLE = {
    "grey": jpeg(GREY),
    "colour": jpeg(COLOUR),
    "fine": jpeg(COLOUR, cv2.IMWRITE_JPEG_QUALITY, 100),
    "restarts": jpeg(COLOUR, *RESTARTS),
    "optimised": jpeg(GREY, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "flat": jpeg(np.full((64, 64), 90, np.uint8), cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "progressive": jpeg(COLOUR, *PROGRESSIVE),
    "odd size": jpeg(COLOUR[:61, :123].copy()),
}


def opencv(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def decoded(data: bytes) -> np.ndarray:
    return decode_image(data, name="camera")


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_one_has_the_pixels_that_opencv_gives(kind: str) -> None:
    pixels = decoded(WHOLE[kind])
    assert np.array_equal(pixels, opencv(WHOLE[kind]))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("more", [(), RESTARTS, PROGRESSIVE])
def test_every_sampling_has_the_pixels_that_opencv_gives(
    sampling: str, more: tuple[int, ...]
) -> None:
    options = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling], *more)
    data = jpeg(COLOUR[:123, :205].copy(), *options)
    assert np.array_equal(decoded(data), opencv(data))


def test_tables_that_a_camera_leaves_out_are_the_standard_s() -> None:
    """As cameras send motion JPEG: without Huffman tables (DHT)."""
    data, at, bare = WHOLE["colour"], 2, b"\xff\xd8"
    while data[at + 1] != 0xDA:
        size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] != 0xC4:
            bare += data[at : at + size]
        at += size
    assert np.array_equal(decoded(bare + data[at:]), decoded(data))


@pytest.mark.parametrize("kind", ["grey", "colour", "fine", "restarts", "optimised"])
@pytest.mark.parametrize("damage", FOUND)
def test_missing_data_is_refused_in_one_line(
    kind: str, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for seed in range(5):
        data = FOUND[damage](WHOLE[kind], Random(seed))
        with pytest.raises(FrameError, match=r"^camera: is (damaged|cut short): .*\(JPEG\)$"):
            decoded(data)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damage", [damaged.restart_lost, damaged.interval_lost])
def test_lost_restart_markers_are_refused(damage) -> None:  # type: ignore[no-untyped-def]
    for seed in range(10):
        with pytest.raises(FrameError, match=r"^camera: is damaged: .*\(JPEG\)$"):
            decoded(damage(WHOLE["restarts"], Random(seed)))


def test_a_progressive_one_without_its_last_scans_is_refused() -> None:
    """Each scan is whole: a decoder gives a blurred picture and no warning."""
    data = WHOLE["progressive"]
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 3
    for at in scans[1:]:
        short = data[:at].rpartition(b"\xff\xc4")[0] + END
        with pytest.raises(FrameError, match=r"not every scan of component \d is there \(JPEG\)"):
            decoded(short)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize(
    "harmless",
    [
        lambda data: data + b"\0" * 700,
        lambda data: data + b"junk \xff\xd9\xff\xda",
        lambda data: data[:2] + b"\xff\xe5\0\x06junk" + data[2:],
        lambda data: data[:-2] + b"\xff" * 40 + END,
    ],
    ids=["zeros behind", "junk behind", "application segment", "fill"],
)
def test_bytes_that_do_no_harm_are_accepted(kind: str, harmless) -> None:  # type: ignore[no-untyped-def]
    assert np.array_equal(decoded(harmless(WHOLE[kind])), opencv(WHOLE[kind]))


@pytest.mark.parametrize("kind", ["grey", "colour", "fine", "restarts", "optimised", "flat"])
@pytest.mark.parametrize("count", [1, 5, BURST])
def test_zeros_between_the_picture_and_its_end_marker_are_accepted(kind: str, count: int) -> None:
    """As cameras pad a frame to whole packets."""
    data = WHOLE[kind][:-2] + bytes(count) + END
    assert np.array_equal(decoded(data), opencv(WHOLE[kind]))


def test_a_size_that_no_memory_holds_is_refused() -> None:
    data = bytearray(WHOLE["grey"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
    with pytest.raises(FrameError, match=r"camera: claims 65500×65500 px"):
        decoded(bytes(data))


def test_a_camera_s_frame_is_read_the_same_way() -> None:
    short = damaged.burst_lost(WHOLE["colour"], Random(3))
    with pytest.raises(FrameError, match=r"^camera: is damaged"):
        camera_pixels.mjpeg(short, width=320, height=240, stride=0)


def test_real_pictures() -> None:
    """Of a third of 758 pictures: none that is whole is refused, none with a part missing passes,
    nor one whose bursts are lost or zeroed."""
    if not REAL.is_dir():
        pytest.skip("the magnetic tile images (shared/data/magnetic_tile) are not here")
    rng, passed = Random(14), Counter[str]()
    paths = sorted(REAL.glob("*/Imgs/*.jpg"))[::3]
    for path in paths:
        data = path.read_bytes()
        assert np.array_equal(decoded(data), opencv(data))
        for name, damage in FOUND.items():
            if len(data) - scan_at(data) < 4 * BURST:
                continue
            try:
                decoded(damage(data, rng))
            except FrameError:
                continue
            passed[name] += 1
    assert len(paths) > 200
    assert not passed
