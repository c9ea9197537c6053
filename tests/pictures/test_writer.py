"""Tests of the image writer: the record of a picture, and the write limit across restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import PictureError
from edge.inbox import new_mark
from edge.pictures.file_name import list_pictures
from edge.pictures.keep_rules import KeepReason
from edge.pictures.picture_store import FILE_COST_BYTES, PictureStore, SkippedPicture
from edge.pictures.record import StoredPicture, read_picture
from edge.pictures.ring import BufferedFrame
from edge.pictures.writer import ImageWriter
from tests.pictures.buffered_frames import JOURNAL, ORIGIN, P, R, buffered, frame

MB = 1 << 20
DAY_S = 86_400.0


class Clock:
    """A clock that the test sets, in seconds."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def image_writer(
    folder: Path, clock: Callable[[], float] | None = None, *, per_day: int = 10 * MB, **given
) -> ImageWriter:
    store = PictureStore(folder, max_bytes=given.pop("max_bytes", 10 * MB), min_free_bytes=0)
    return ImageWriter(
        store,
        origin=ORIGIN,
        station="press-3",
        journal=given.pop("journal", lambda: JOURNAL),
        keep_bundle=given.pop("keep_bundle", lambda: None),
        bytes_per_day=per_day,
        now_s=clock or Clock(),
    )


def written(answer: str | SkippedPicture | None) -> bool:
    return answer is not None and not isinstance(answer, SkippedPicture)


def pictures(folder: Path) -> list[StoredPicture]:
    return [read_picture(folder / str(name)) for name in list_pictures(folder)]


def test_a_picture_has_a_complete_record(tmp_path: Path) -> None:
    one = buffered(7, R, (40, 30, 3))
    assert (
        image_writer(tmp_path).write(one, KeepReason.REJECT) == "0000000001-1f3a9c2e-7-reject.png"
    )
    (picture,) = pictures(tmp_path)
    assert picture.frame.pixels.tobytes() == one.frame.pixels.tobytes()
    assert replace(picture.frame, pixels=one.frame.pixels) == one.frame
    record = picture.record
    assert (record.station, record.journal, record.part_id) == ("press-3", JOURNAL, 7)
    assert (record.verdict, record.chain_verdict) == (one.verdict, one.chain_verdict)
    assert (record.origin, record.reason, record.marks) == (ORIGIN, KeepReason.REJECT, ())


def test_a_part_without_a_verdict(tmp_path: Path) -> None:
    image_writer(tmp_path).write(BufferedFrame(frame(1)), KeepReason.CRASH)
    (picture,) = pictures(tmp_path)
    assert (picture.record.verdict, picture.record.chain_verdict) == (None, None)


def test_a_part_has_one_picture_in_each_journal(tmp_path: Path) -> None:
    made = image_writer(tmp_path)
    made.write(buffered(7), KeepReason.REJECT)
    assert made.write(buffered(7), KeepReason.CRASH) is None
    other = image_writer(tmp_path, journal=lambda: "00000000-1111")
    assert other.write(buffered(7), KeepReason.REJECT) == "0000000002-00000000-7-reject.png"


def test_half_of_a_days_bytes_are_written_at_once_and_a_restart_knows(tmp_path: Path) -> None:
    clock = Clock()
    cost = 4096 + FILE_COST_BYTES  # of a small picture
    made = image_writer(tmp_path, clock, per_day=6 * cost)
    answers = [made.write(buffered(part), KeepReason.REJECT) for part in range(1, 6)]
    assert [written(each) for each in answers] == [True] * 3 + [False] * 2
    assert answers[3:] == [SkippedPicture.PER_DAY] * 2
    # Another process has another monotonic clock. The UTC in the record gives the time.
    after = image_writer(tmp_path, Clock(), per_day=6 * cost)
    assert after.write(buffered(6), KeepReason.REJECT) is SkippedPicture.PER_DAY
    clock.now_s += DAY_S / 3
    assert written(made.write(buffered(7), KeepReason.REJECT))
    assert made.write(buffered(8), KeepReason.REJECT) is SkippedPicture.PER_DAY


def test_a_marked_picture_exceeds_the_limit_and_is_paid_back(tmp_path: Path) -> None:
    clock = Clock()
    cost = 4096 + FILE_COST_BYTES
    made = image_writer(tmp_path, clock, per_day=2 * cost)
    made.write(buffered(1), KeepReason.REJECT)
    mark = new_mark(2, "escape", "seen by hand")
    assert written(made.write(buffered(2, P), KeepReason.MARK, mark))
    clock.now_s += DAY_S
    assert made.write(buffered(3), KeepReason.REJECT) is SkippedPicture.PER_DAY
    clock.now_s += DAY_S
    assert written(made.write(buffered(3), KeepReason.REJECT))
    assert [picture.record.marks for picture in pictures(tmp_path)] == [(), (mark,), ()]


def test_a_stored_picture_gets_each_mark_once(tmp_path: Path) -> None:
    made = image_writer(tmp_path)
    made.write(buffered(1), KeepReason.REJECT)
    one, two = new_mark(1, "false-reject", "clean"), new_mark(1, "look", "")
    for mark in (one, one, two):
        assert made.add_mark(mark) == "0000000001-1f3a9c2e-1-reject.png"
    (picture,) = pictures(tmp_path)
    assert picture.record.marks == (one, two)
    assert picture.frame.pixels.tobytes() == frame(1).pixels.tobytes()
    assert made.add_mark(new_mark(9, "look", "")) is None


def test_no_picture_is_stored_before_its_bundle(tmp_path: Path) -> None:
    refusals = [PictureError("disk full, scripted")] * 2
    counts = []

    def keep_bundle() -> None:
        if refusals:
            raise refusals.pop()
        counts.append(len(list_pictures(tmp_path)))

    made = image_writer(tmp_path, keep_bundle=keep_bundle)
    for _ in range(2):
        with pytest.raises(PictureError, match="scripted"):
            made.write(buffered(1), KeepReason.REJECT)
    for part in (1, 2):
        assert written(made.write(buffered(part), KeepReason.REJECT))
    assert counts == [0]


def test_a_picture_larger_than_the_store_is_skipped(tmp_path: Path) -> None:
    made = image_writer(tmp_path, max_bytes=2000)
    assert made.write(buffered(1, R, (100, 100)), KeepReason.REJECT) is SkippedPicture.TOO_LARGE
    assert made.make_space() == 0
    assert pictures(tmp_path) == []


def test_a_damaged_last_picture_is_ignored(tmp_path: Path) -> None:
    made = image_writer(tmp_path)
    made.write(buffered(1), KeepReason.REJECT)
    made.write(buffered(2), KeepReason.REJECT)
    (tmp_path / str(list_pictures(tmp_path)[-1])).write_bytes(b"broken")
    assert (
        image_writer(tmp_path).write(buffered(3), KeepReason.REJECT)
        == "0000000003-1f3a9c2e-3-reject.png"
    )
