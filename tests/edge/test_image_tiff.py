"""A TIFF whose strips do not unpack to their rows is refused; OpenCV's reader shows no error."""

import struct
from random import Random

import cv2
import numpy as np
import pytest

from edge.errors import FrameError
from edge.image_tiff import tiff_fault
from edge.images import decode_image
from tests.edge.damaged import texture

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
JPEG = 7
GREY = texture(height=120, width=160)
PICTURES = {
    "grey": GREY,
    "colour": np.dstack([GREY, texture(2, height=120, width=160), 255 - GREY]),
    "steps": (GREY // 64 * 64).astype(np.uint8),  # long strings, long runs
    "flat": np.full((120, 160), 90, np.uint8),
}
COMPRESSIONS = [NONE, LZW, DEFLATE, PACKBITS]


def tiff(pixels: np.ndarray, compression: int, rows: int = 0) -> bytes:
    options = [cv2.IMWRITE_TIFF_COMPRESSION, compression]
    if rows:
        options += [cv2.IMWRITE_TIFF_ROWSPERSTRIP, rows]
    done, data = cv2.imencode(".tif", pixels, options)
    assert done
    return data.tobytes()


def decoded(data: bytes) -> np.ndarray:
    return decode_image(data, name="a.tif")


@pytest.mark.parametrize("rows", [0, 7])
@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_whole_ones_are_read(compression: int, kind: str, rows: int) -> None:
    data = tiff(PICTURES[kind], compression, rows)
    assert tiff_fault(data) is None
    assert np.array_equal(decoded(data), PICTURES[kind])
    assert np.array_equal(decoded(data + b"junk"), PICTURES[kind])


def found(data: bytes) -> bool:
    """Return whether it is refused."""
    try:
        decoded(data)
    except FrameError:
        return True
    return False


@pytest.mark.parametrize("compression", [LZW, DEFLATE, PACKBITS])
def test_zeros_in_the_compressed_data_are_found(
    compression: int, capfd: pytest.CaptureFixture[str]
) -> None:
    data, rng = tiff(GREY, compression), Random(4)
    for _ in range(20):
        at = rng.randrange(16, len(data) - 800)
        assert found(data[:at] + bytes(512) + data[at + 512 :])
    assert capfd.readouterr() == ("", "")


def test_every_flipped_bit_of_deflate_is_found() -> None:
    data, rng = tiff(GREY, DEFLATE), Random(5)
    for _ in range(40):
        changed = bytearray(data)
        changed[rng.randrange(16, len(data) - 300)] ^= 1 << rng.randrange(8)
        assert found(bytes(changed))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_one_that_is_cut_is_refused(compression: int, share: float) -> None:
    data = tiff(GREY, compression)
    assert found(data[: int(len(data) * share)])


def test_what_cannot_be_checked_is_refused_with_what_helps() -> None:
    data = bytearray(tiff(GREY, NONE))
    entry = data.index(struct.pack("<HHL", 259, 3, 1))
    data[entry + 8 : entry + 10] = struct.pack("<H", JPEG)
    with pytest.raises(FrameError, match=r"cannot be checked for damage \(7\): save it as PNG"):
        decoded(bytes(data))
