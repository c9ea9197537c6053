"""read_image: what is decoded, and that nothing half-read ever passes for a picture."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import FrameError
from edge.images import IMAGE_SUFFIXES, decode_image, read_image
from edge.picture_header import claimed_size

RNG = np.random.default_rng(3)
COLOUR = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
LOSSLESS = (".bmp", ".png", ".ppm", ".pnm", ".tif", ".tiff")


def encoded(suffix: str, pixels: np.ndarray) -> bytes:
    if suffix == ".pgm" and pixels.ndim == 3:
        pixels = np.ascontiguousarray(pixels[:, :, 0])
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return data.tobytes()


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_a_picture_of_every_suffix_is_uint8_and_contiguous(tmp_path, suffix):
    pixels = read_image(written(tmp_path, "a" + suffix, encoded(suffix, COLOUR)))
    assert (pixels.dtype, pixels.shape[:2]) == (np.uint8, (40, 60))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_colour_comes_back_as_bgr(tmp_path, suffix):
    path = written(tmp_path, "a" + suffix, encoded(suffix, COLOUR))
    assert np.array_equal(read_image(path), COLOUR)


def test_grey_stays_grey_and_grey_looking_colour_stays_colour(tmp_path):
    grey = COLOUR[:, :, 0].copy()
    assert read_image(written(tmp_path, "g.png", encoded(".png", grey))).shape == (40, 60)
    three = np.dstack([grey] * 3)
    assert read_image(written(tmp_path, "c.png", encoded(".png", three))).shape == (40, 60, 3)


def test_alpha_is_dropped(tmp_path):
    alpha = RNG.integers(0, 256, (40, 60, 1), dtype=np.uint8)
    path = written(tmp_path, "a.png", encoded(".png", np.concatenate([COLOUR, alpha], axis=2)))
    pixels = read_image(path)
    assert np.array_equal(pixels, COLOUR)
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize(("suffix", "channels"), [(".png", 1), (".png", 3), (".tif", 1)])
def test_sixteen_bits_are_refused_in_one_line(tmp_path, suffix, channels):
    deep = RNG.integers(0, 65536, (40, 60, channels), dtype=np.uint16)
    path = written(tmp_path, "deep" + suffix, encoded(suffix, deep))
    with pytest.raises(FrameError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: 16 bits per channel, expected 8; this one uses ")
    assert str(caught.value).endswith("mogrify -depth 8 -path OUT FILES (ImageMagick)")


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.95, 0.9999])
def test_a_file_cut_short_is_refused_and_named(tmp_path, capfd, suffix, share):
    whole = encoded(suffix, COLOUR)
    path = written(tmp_path, "cut" + suffix, whole[: int(len(whole) * share)])
    with pytest.raises(FrameError) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
@pytest.mark.parametrize("junk", [b"\0", b"trailing junk \xff\xd9\xff\xda"])
def test_junk_after_the_end_is_tolerated(tmp_path, suffix, junk):
    whole = encoded(suffix, COLOUR)
    clean = read_image(written(tmp_path, "clean" + suffix, whole))
    assert np.array_equal(read_image(written(tmp_path, "junk" + suffix, whole + junk)), clean)


def test_the_end_marker_of_a_thumbnail_is_not_the_end(tmp_path):
    whole = encoded(".jpg", COLOUR)
    thumbnail = encoded(".jpg", COLOUR[:8, :8].copy())
    exif = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    nested = whole[:2] + exif + whole[2:]
    assert read_image(written(tmp_path, "whole.jpg", nested)).shape == (40, 60, 3)
    with pytest.raises(FrameError, match=r"cut\.jpg: is cut short: no end-of-image marker"):
        read_image(written(tmp_path, "cut.jpg", nested[:-100]))


def test_a_progressive_jpeg_with_restart_markers_is_whole(tmp_path):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    done, data = cv2.imencode(".jpg", COLOUR, options)
    assert done
    assert read_image(written(tmp_path, "p.jpg", data.tobytes())).shape == (40, 60, 3)


def test_a_flipped_bit_in_a_png_is_refused(tmp_path):
    data = bytearray(encoded(".png", COLOUR))
    data[len(data) // 2] ^= 1
    with pytest.raises(FrameError, match="is damaged: checksum of chunk IDAT"):
        read_image(written(tmp_path, "bent.png", bytes(data)))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.png", b"", "is empty"),
        ("text.png", b"hello, this is no picture", "is not a picture that can be decoded"),
        ("huge.pgm", b"P5\n2000000 2000000\n255\n" + b"x" * 99, "more than the memory"),
    ],
)
def test_what_is_no_picture_is_refused_and_named(tmp_path, name, data, says):
    with pytest.raises(FrameError, match=f"{name}: .*{says}"):
        read_image(written(tmp_path, name, data))


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FrameError, match=r"none\.png: cannot be read: No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(FrameError, match="cannot be read: Is a directory"):
        read_image(tmp_path)


def claims(form: str, width: int, height: int) -> bytes:
    """A small file whose header claims this size."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    data = bytearray(cv2.imencode(f".{form}", pixels)[1].tobytes())
    if form == "png":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif form == "bmp":
        data[18:26] = struct.pack("<ii", width, -height)
    elif form in ("pgm", "ppm", "pnm"):
        return b"P6\n# a comment\n%d %d\n255\n" % (width, height) + bytes(192)
    elif form == "tiff":
        for tag, value in ((0x0100, width), (0x0101, height)):
            at = next(i for i in range(8, len(data)) if data[i : i + 2] == struct.pack("<H", tag))
            data[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(data)


@pytest.mark.parametrize("form", ["png", "bmp", "ppm", "pnm", "tiff"])
def test_a_header_that_claims_more_than_the_memory(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []
    monkeypatch.setattr("edge.images.cv2.imdecode", lambda *given: decoded.append(given))
    for width, height in ((30_000, 30_000_000), (2**31 - 1, 2**31 - 1)):
        data = claims(form, width, height)
        assert claimed_size(data) == (width, height)
        with pytest.raises(FrameError, match=f"claims {width}×{height} px, more than the memory"):
            decode_image(data, name="a")
    assert not decoded


def test_a_webp_has_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    for quality in (50, 101):  # lossy, lossless
        data = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
        assert claimed_size(data) == (30, 20)
    monkeypatch.setattr("edge.images.free_memory_bytes", lambda: 4_000)
    with pytest.raises(FrameError, match="claims 30×20 px"):
        decode_image(data, name="a")


@pytest.mark.parametrize("form", ["png", "bmp", "ppm", "tiff", "webp"])
def test_what_is_cut_anywhere_claims_nothing_that_raises(form: str) -> None:
    whole = cv2.imencode(f".{form}", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    assert claimed_size(whole) == (8, 8)
    for size in range(len(whole)):
        claimed_size(whole[:size])


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks, each with a checksum that is right."""
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        sum_of = zlib.crc32(kind + content).to_bytes(4, "big")
        data += len(content).to_bytes(4, "big") + kind + content + sum_of
    return data


ROWS = b"".join(b"\0" + row.tobytes() for row in COLOUR[:, :, 0])
PACKED = zlib.compress(ROWS)
HEADER = (b"IHDR", (60).to_bytes(4, "big") + (40).to_bytes(4, "big") + bytes([8, 0, 0, 0, 0]))
PIECES = tuple((b"IDAT", PACKED[at : at + 300]) for at in range(0, len(PACKED), 300))


def test_a_png_of_several_chunks_is_read(tmp_path):
    path = written(tmp_path, "a.png", png(HEADER, *PIECES, (b"IEND", b"")))
    assert np.array_equal(read_image(path), COLOUR[:, :, 0])


@pytest.mark.parametrize(
    ("pieces", "says"),
    [
        (PIECES[:-1], "is cut short: an IDAT chunk is missing"),
        ((*PIECES[:2], *PIECES[3:]), "is (damaged|cut short): "),
        ((PIECES[0], PIECES[2], PIECES[1], *PIECES[3:]), "is (damaged|cut short): "),
        (((b"IDAT", PACKED[:-1] + b"\0"),), "is damaged: .*incorrect data check"),
        (
            ((b"IDAT", zlib.compress(bytes(9_000_000))),),
            "is damaged: unpacks to more than its header claims",
        ),
    ],
    ids=["last lost", "middle lost", "out of order", "checksum of all", "too much"],
)
def test_a_png_whose_chunks_are_whole_and_whose_picture_is_not(tmp_path, capfd, pieces, says):
    path = written(tmp_path, "bent.png", png(HEADER, *pieces, (b"IEND", b"")))
    with pytest.raises(FrameError, match=rf"bent\.png: {says}"):
        read_image(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".gif", ".jp2", ".hdr"])
def test_a_kind_that_nobody_has_proven_is_refused_with_what_is_read(tmp_path, suffix):
    path = written(tmp_path, f"a{suffix}", encoded(suffix, COLOUR))
    with pytest.raises(FrameError, match="expected JPEG, PNG, BMP, TIFF, WebP or PNM"):
        read_image(path)
