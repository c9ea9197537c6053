"""Headers: orientation, pages and alpha, of every form, and nothing raised by what is damaged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import FrameError
from edge.images import decode_alpha, read_image
from edge.picture_header import PictureHeader, read_header
from tests.support.folders import encoded, mask, picture, turned

FORMS = (".jpg", ".png", ".webp", ".tif")


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_every_form(suffix: str, orientation: int) -> None:
    data = turned(suffix, orientation)
    assert read_header(data).orientation == orientation
    assert read_header(data).pages == 1


def test_orientation_in_the_other_byte_order_and_beyond_its_range() -> None:
    assert read_header(turned(".jpg", 6, ">")).orientation == 6
    assert [read_header(turned(".jpg", wrong)).orientation for wrong in (0, 9)] == [1, 1]


@pytest.mark.parametrize("suffix", [*FORMS, ".bmp", ".pgm"])
def test_a_plain_picture_has_nothing_hidden(suffix: str) -> None:
    header = read_header(encoded(suffix, picture()))
    assert (header.orientation, header.pages) == (1, 1)
    assert decode_alpha(encoded(suffix, picture())) is None


def test_the_pixels_are_never_turned(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(turned(".jpg", 6))
    assert read_image(path).shape == (40, 50)


def test_pages_of_a_tiff(tmp_path: Path) -> None:
    path = tmp_path / "pages.tif"
    cv2.imwritemulti(str(path), [picture(), picture(), picture()])
    assert read_header(path.read_bytes()).pages == 3
    with pytest.raises(FrameError) as caught:
        read_image(path)
    assert str(caught.value) == (
        f"{path}: holds 3 pictures, expected 1: convert FILE PAGE-%d.png (ImageMagick) "
        "writes each to a file"
    )


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".bmp"])
def test_alpha(suffix: str) -> None:
    four = np.dstack([picture(), picture(), picture(), mask()])
    lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if suffix == ".webp" else []
    alpha = decode_alpha(cv2.imencode(suffix, four, lossless)[1].tobytes())
    if suffix == ".bmp":  # OpenCV writes or leaves out alpha, by its version
        return
    assert alpha is not None
    assert np.array_equal(alpha, mask())


@pytest.mark.parametrize("suffix", FORMS)
def test_what_is_cut_or_bent_raises_nothing(suffix: str) -> None:
    data = turned(suffix, 3)
    rng = np.random.default_rng(5)
    for _ in range(200):
        bent = bytearray(data[: int(rng.integers(len(data)))])
        for place in rng.integers(max(len(bent), 1), size=3) if bent else ():
            bent[place] = int(rng.integers(256))
        assert isinstance(read_header(bytes(bent)), PictureHeader)


def test_sixteen_bits_name_the_factor(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(encoded(".png", picture().astype(np.uint16) * 16))
    with pytest.raises(FrameError) as caught:
        read_image(path)
    assert str(caught.value) == (
        f"{path}: 16 bits per channel, expected 8; this one uses 12 bits: set the camera to 8 "
        "bits, or convert all its pictures by one factor: mogrify -evaluate multiply 16 -depth 8 "
        "-path OUT FILES (ImageMagick)"
    )
