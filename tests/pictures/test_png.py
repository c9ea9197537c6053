"""Tests of the PNG file: pixels and record are read back bit by bit; altered files are refused."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import FrameError, PictureError
from edge.inbox import new_mark
from edge.pictures.keep_rules import KeepReason
from edge.pictures.png import decode_picture, encode_picture, picture_text, with_text
from edge.pictures.record import PictureRecord, digest_of, parse_picture, parse_record, record_text
from edge.records import Box, Decision, Defect, Region, Verdict
from tests.pictures.buffered_frames import JOURNAL, ORIGIN, frame, verdict


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    st.text(st.characters(codec="ascii")),
)
def test_pixels_and_text_are_read_back_unchanged(
    height: int, width: int, colour: bool, seed: int, text: str
) -> None:
    shape = (height, width, 3) if colour else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    data = encode_picture(pixels, text)
    again, read_text = decode_picture(data, name="a.png")
    assert (again.shape, again.dtype) == (pixels.shape, np.uint8)
    assert again.tobytes() == pixels.tobytes()
    assert digest_of(again) == digest_of(pixels)
    assert read_text == text
    other = with_text(data, "another")
    assert picture_text(other, name="a.png") == "another"
    assert decode_picture(other, name="a.png")[0].tobytes() == pixels.tobytes()
    assert with_text(other, text) == data


def test_any_viewer_reads_it(tmp_path) -> None:
    pixels = frame(1, (30, 20, 3)).pixels
    (tmp_path / "a.png").write_bytes(encode_picture(pixels, "{}"))
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED), pixels)


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(FLOATS, min_size=6, max_size=6), NAMES, NAMES)
def test_a_record_is_read_back_bit_by_bit(numbers: list[float], kind: str, reason: str) -> None:
    region = Region(Box(-1, 0, 2**31, 3), 5, numbers[0], numbers[1])
    defect = Defect(region, kind, numbers[2], reason, numbers[3])
    chain_verdict = Verdict(
        3, Decision.REJECT, reason, (defect, defect), numbers[4], None, numbers[5]
    )
    before = record(chain_verdict=chain_verdict)
    text = record_text(before)
    assert text.isascii()
    after = parse_record(text, name="a.png")
    assert after == before
    # 0.0 and -0.0 are equal, and not the same bits.
    assert repr(after.chain_verdict) == repr(before.chain_verdict)


def test_the_keys_of_the_file_stay() -> None:
    """The file format has "kept" and "said" where the code has ``reason`` and ``chain_verdict``."""
    keys = json.loads(record_text(record()))
    assert (keys["kept"], keys["said"]["part_id"]) == ("reject", 3)
    assert "reason" not in keys
    assert "chain_verdict" not in keys


def record(**given: object) -> PictureRecord:
    made = PictureRecord(
        number=12,
        station="press-3",
        journal=JOURNAL,
        boot_id="b",
        utc="2026-01-01T00:00:00.000000Z",
        part_id=3,
        sequence=4,
        triggered_ns=5,
        exposed_ns=6,
        reason=KeepReason.REJECT,
        pixels_sha256="00",
        verdict=None,
        chain_verdict=verdict(3),
        origin=ORIGIN,
        left_bytes=1000,
        marks=(new_mark(3, "escape", "ä"),),
    )
    return replace(made, **given)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"part_id":3', '"part_id":"three"', "a.png: its record: key 'part_id'"),
        ('"format":1', '"format":2', "a.png: its record is of format 2, not 1"),
        ('"number":12,', "", "a.png: its record: key 'number' is missing"),
        ('{"number"', '"', "a.png: its record: "),
    ],
)
def test_an_invalid_record_is_refused_with_one_line(old: str, new: str, line: str) -> None:
    text = record_text(record())
    assert old in text
    with pytest.raises(PictureError) as caught:
        parse_record(text.replace(old, new, 1), name="a.png")
    assert str(caught.value).startswith(line)


def test_a_key_of_a_later_version_is_ignored() -> None:
    text = record_text(record()).replace('{"number"', '{"weather":"fine","number"', 1)
    assert parse_record(text, name="a.png") == replace(
        record(), marks=parse_record(text, name="").marks
    )


def test_a_file_with_any_wrong_bit_is_refused() -> None:
    """Each bit is covered by a checksum of the file or by the SHA-256 in the record."""
    pixels = frame(1).pixels
    data = encode_picture(pixels, record_text(record(pixels_sha256=digest_of(pixels))))
    dice = random.Random(1)
    for _ in range(300):
        altered = bytearray(data)
        altered[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        with pytest.raises((FrameError, PictureError)):
            parse_picture(bytes(altered), name="a.png")
    assert parse_picture(data, name="a.png").frame.pixels.tobytes() == pixels.tobytes()


def test_a_file_cut_short_anywhere_is_refused() -> None:
    data = encode_picture(frame(1).pixels, "{}")
    for end in range(len(data)):
        with pytest.raises((FrameError, PictureError)):
            decode_picture(data[:end], name="a.png")
    text_ends = data.index(b"{}") + 2 + 4
    for end in range(text_ends):
        with pytest.raises(PictureError):
            picture_text(data[:end], name="a.png")
    assert picture_text(data[:text_ends], name="a.png") == "{}"


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(PictureError, match="at most"):
        encode_picture(frame(1).pixels, "x" * (1 << 20 | 1))
