"""What is written to the album, and that a restart does not forget what it cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge.errors import PictureError
from edge.inbox import new_mark
from edge.pictures.album import FILE_COST_BYTES, Album, SkippedPicture
from edge.pictures.buffered_frame import BufferedFrame, KeepReason
from edge.pictures.file_name import list_album
from edge.pictures.stored_picture import StoredPicture, read_picture
from edge.pictures.writer import ImageWriter
from tests.pictures.buffered_frames import JOURNAL, ORIGIN, P, R, frame, shot

MB = 1 << 20
DAY_S = 86_400.0


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def scribe(
    folder: Path, clock: Callable[[], float] | None = None, *, per_day: int = 10 * MB, **given
) -> ImageWriter:
    album = Album(folder, max_bytes=given.pop("max_bytes", 10 * MB), min_free_bytes=0)
    return ImageWriter(
        album,
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
    return [read_picture(folder / str(name)) for name in list_album(folder)]


def test_a_picture_holds_all_that_is_known_of_its_part(tmp_path: Path) -> None:
    one = shot(7, R, (40, 30, 3))
    assert scribe(tmp_path).keep(one, KeepReason.REJECT) == "0000000001-1f3a9c2e-7-reject.png"
    (picture,) = pictures(tmp_path)
    assert picture.frame.pixels.tobytes() == one.frame.pixels.tobytes()
    assert replace(picture.frame, pixels=one.frame.pixels) == one.frame
    record = picture.record
    assert (record.station, record.journal, record.part_id) == ("press-3", JOURNAL, 7)
    assert (record.verdict, record.said) == (one.verdict, one.said)
    assert (record.origin, record.kept, record.marks) == (ORIGIN, KeepReason.REJECT, ())


def test_a_part_whose_verdict_never_came(tmp_path: Path) -> None:
    scribe(tmp_path).keep(BufferedFrame(frame(1)), KeepReason.CRASH)
    (picture,) = pictures(tmp_path)
    assert (picture.record.verdict, picture.record.said) == (None, None)


def test_a_part_has_one_picture_and_a_new_journal_new_parts(tmp_path: Path) -> None:
    made = scribe(tmp_path)
    made.keep(shot(7), KeepReason.REJECT)
    assert made.keep(shot(7), KeepReason.CRASH) is None
    other = scribe(tmp_path, journal=lambda: "00000000-1111")
    assert other.keep(shot(7), KeepReason.REJECT) == "0000000002-00000000-7-reject.png"


def test_half_of_a_days_bytes_go_at_once_and_the_next_process_knows(tmp_path: Path) -> None:
    clock = Clock()
    cost = 4096 + FILE_COST_BYTES  # of a small picture
    made = scribe(tmp_path, clock, per_day=6 * cost)
    kept = [made.keep(shot(part), KeepReason.REJECT) for part in range(1, 6)]
    assert [written(each) for each in kept] == [True] * 3 + [False] * 2
    assert kept[3:] == [SkippedPicture.PER_DAY] * 2
    # Another process: its monotonic clock says nothing about this one's, the record's UTC does.
    after = scribe(tmp_path, Clock(), per_day=6 * cost)
    assert after.keep(shot(6), KeepReason.REJECT) is SkippedPicture.PER_DAY
    clock.now_s += DAY_S / 3
    assert written(made.keep(shot(7), KeepReason.REJECT))
    assert made.keep(shot(8), KeepReason.REJECT) is SkippedPicture.PER_DAY


def test_a_mark_is_kept_all_the_same_and_paid_back(tmp_path: Path) -> None:
    clock = Clock()
    cost = 4096 + FILE_COST_BYTES
    made = scribe(tmp_path, clock, per_day=2 * cost)
    made.keep(shot(1), KeepReason.REJECT)
    mark = new_mark(2, "escape", "seen by hand")
    assert written(made.keep(shot(2, P), KeepReason.MARK, mark))
    clock.now_s += DAY_S
    assert made.keep(shot(3), KeepReason.REJECT) is SkippedPicture.PER_DAY
    clock.now_s += DAY_S
    assert written(made.keep(shot(3), KeepReason.REJECT))
    assert [picture.record.marks for picture in pictures(tmp_path)] == [(), (mark,), ()]


def test_a_picture_that_is_there_is_marked_there_and_once(tmp_path: Path) -> None:
    made = scribe(tmp_path)
    made.keep(shot(1), KeepReason.REJECT)
    one, two = new_mark(1, "false-reject", "clean"), new_mark(1, "look", "")
    for mark in (one, one, two):
        assert made.mark(mark) == "0000000001-1f3a9c2e-1-reject.png"
    (picture,) = pictures(tmp_path)
    assert picture.record.marks == (one, two)
    assert picture.frame.pixels.tobytes() == frame(1).pixels.tobytes()
    assert made.mark(new_mark(9, "look", "")) is None


def test_no_picture_without_the_bundle_that_judged_it(tmp_path: Path) -> None:
    refusals = [PictureError("disk full, scripted")] * 2
    kept = []

    def keep_bundle() -> None:
        if refusals:
            raise refusals.pop()
        kept.append(len(list_album(tmp_path)))

    made = scribe(tmp_path, keep_bundle=keep_bundle)
    for _ in range(2):
        with pytest.raises(PictureError, match="scripted"):
            made.keep(shot(1), KeepReason.REJECT)
    for part in (1, 2):
        assert written(made.keep(shot(part), KeepReason.REJECT))
    assert kept == [0]


def test_a_picture_larger_than_the_album(tmp_path: Path) -> None:
    made = scribe(tmp_path, max_bytes=2000)
    assert made.keep(shot(1, R, (100, 100)), KeepReason.REJECT) is SkippedPicture.TOO_LARGE
    assert made.give_way() == 0
    assert pictures(tmp_path) == []


def test_a_damaged_last_picture_costs_nothing(tmp_path: Path) -> None:
    made = scribe(tmp_path)
    made.keep(shot(1), KeepReason.REJECT)
    made.keep(shot(2), KeepReason.REJECT)
    (tmp_path / str(list_album(tmp_path)[-1])).write_bytes(b"broken")
    assert scribe(tmp_path).keep(shot(3), KeepReason.REJECT) == "0000000003-1f3a9c2e-3-reject.png"
