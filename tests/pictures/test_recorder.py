"""The thread between the station and the album: it never makes the line wait, and it counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from edge.errors import PictureError
from edge.inbox import Inbox, Mark, new_mark
from edge.pictures.album import SkippedPicture
from edge.pictures.buffered_frame import KeepReason
from edge.pictures.recorder import ImageRecorder
from edge.pictures.ring import FrameRing
from edge.pictures.rules import KeepRules
from edge.records import Decision
from tests.pictures.buffered_frames import P, R, U, frame, verdict
from tests.support.pictures import FakeScribe


@pytest.fixture
def scribe() -> Iterator[FakeScribe]:
    made = FakeScribe()
    yield made
    made.open.set()


Make = Callable[..., ImageRecorder]


@pytest.fixture
def make(scribe: FakeScribe) -> Iterator[Make]:
    made: list[ImageRecorder] = []

    def keeper(
        *, frames: int = 32, max_bytes: int = 100_000, on_mark=lambda *_: True, **given
    ) -> ImageRecorder:
        rules = given.pop("rules", KeepRules())
        keeper = ImageRecorder(
            ring=FrameRing(frames=frames, max_bytes=max_bytes),
            scribe=scribe,  # type: ignore[arg-type]
            rules=rules,
            max_waiting_bytes=max_bytes,
            **given,
        )
        made.append(keeper)
        keeper.start(on_mark)
        return keeper

    yield keeper
    scribe.open.set()
    for each in made:
        each.close(10.0)


def part(keeper: ImageRecorder, number: int, decision: Decision) -> None:
    keeper.record_frame(frame(number))
    keeper.record_inspection(verdict(number, decision))
    keeper.record_verdict(verdict(number, decision))


def test_rejects_and_unknowns_are_kept_and_good_parts_are_not(
    make: Make, scribe: FakeScribe
) -> None:
    keeper = make()
    for number, decision in enumerate((P, R, P, U, R), start=1):
        part(keeper, number, decision)
    keeper.record_verdict(verdict(77, U))  # no frame ever came
    keeper.close(10.0)
    assert scribe.kept == [(2, KeepReason.REJECT), (4, KeepReason.UNKNOWN), (5, KeepReason.REJECT)]
    assert keeper.counts == {"reject": 2, "unknown": 1}


def test_one_good_part_in_so_many(make: Make, scribe: FakeScribe) -> None:
    keeper = make(rules=KeepRules(pass_every=4))
    for number in range(1, 10):
        part(keeper, number, P)
    keeper.close(10.0)
    assert scribe.kept == [(4, KeepReason.PASS), (8, KeepReason.PASS)]


def test_what_came_before_a_defect(make: Make, scribe: FakeScribe) -> None:
    keeper = make(rules=KeepRules(pass_every=10, before_parts=2))
    for number in range(1, 11):
        part(keeper, number, R if number in (4, 5) else P)
    keeper.close(10.0)
    assert scribe.kept.pop() == (10, KeepReason.PASS)  # and nothing before it
    assert scribe.kept == [
        (4, KeepReason.REJECT),
        (3, KeepReason.BEFORE),
        (2, KeepReason.BEFORE),
        (5, KeepReason.REJECT),
    ]


def test_a_frame_that_comes_after_its_verdict(make: Make, scribe: FakeScribe) -> None:
    keeper = make()
    keeper.record_verdict(verdict(1, U))
    keeper.record_frame(frame(1))
    keeper.close(10.0)
    assert scribe.kept == [(1, KeepReason.UNKNOWN)]


def test_a_disk_that_hangs_costs_pictures_and_nothing_else(
    make: Make, scribe: FakeScribe, caplog: pytest.LogCaptureFixture
) -> None:
    """Every call returns; what waits is bounded; the end does not wait for it."""
    scribe.open.clear()
    keeper = make(waiting=3)
    part(keeper, 1, R)
    assert scribe.asked.wait(10)
    for number in range(2, 12):
        part(keeper, number, R)
    assert keeper.counts == {"overflow": 7}
    keeper.close(0.05)
    heads = [record.message.split()[0] for record in caplog.records]
    assert heads == ["pictures_overflow", "pictures_given_up"]
    scribe.open.set()


def test_what_waits_is_bounded_by_bytes_too(make: Make, scribe: FakeScribe) -> None:
    scribe.open.clear()
    keeper = make(max_bytes=400, waiting=100)
    part(keeper, 1, R)
    assert scribe.asked.wait(10)
    for number in range(2, 12):  # 80 bytes each
        part(keeper, number, R)
    scribe.open.set()
    keeper.close(10.0)
    assert keeper.counts == {"reject": 6, "overflow": 5}


def test_a_disk_that_refuses_is_said_once_and_once_more_when_it_takes_pictures(
    make: Make, scribe: FakeScribe, caplog: pytest.LogCaptureFixture
) -> None:
    scribe.answers = [PictureError("disk full, scripted")] * 3
    keeper = make()
    for number in range(1, 6):
        part(keeper, number, R)
    keeper.close(10.0)
    assert [part_id for part_id, _ in scribe.kept] == [4, 5]
    assert keeper.counts == {"disk": 3, "reject": 2}
    heads = [record.message.split()[0] for record in caplog.records]
    assert heads == ["pictures_refused", "pictures_taken_again"]


def test_what_a_limit_forbids_is_counted_by_its_name(
    make: Make, scribe: FakeScribe, caplog: pytest.LogCaptureFixture
) -> None:
    scribe.answers = [SkippedPicture.PER_DAY, SkippedPicture.NO_ROOM]
    keeper = make(max_bytes=200)
    part(keeper, 1, R)
    part(keeper, 2, R)
    keeper.close(10.0)
    for number in (3, 4):
        keeper.record_frame(frame(number, (21, 10)))
    assert keeper.counts == {"per_day": 1, "no_room": 1, "too_large": 2}
    heads = [record.message.split()[0] for record in caplog.records]
    assert heads == ["pictures_refused", "pictures_too_large"]


def test_a_station_that_dies_writes_what_is_in_memory_the_latest_first(
    make: Make, scribe: FakeScribe
) -> None:
    keeper = make(waiting=2)
    for number, decision in enumerate((P, R, P, P, P), start=1):
        part(keeper, number, decision)
    keeper.record_frame(frame(6))
    keeper.dump(10.0)
    assert scribe.kept == [
        (2, KeepReason.REJECT),
        *((n, KeepReason.CRASH) for n in (6, 5, 4, 3, 1)),
    ]
    assert keeper.counts == {"reject": 1, "crash": 5}


def test_a_station_that_dies_with_its_disk_hanging_ends_all_the_same(
    make: Make, scribe: FakeScribe
) -> None:
    scribe.open.clear()
    keeper = make()
    part(keeper, 1, R)
    assert scribe.asked.wait(10)
    keeper.dump(0.05)
    scribe.open.set()


def test_nothing_is_kept_after_the_end(make: Make, scribe: FakeScribe) -> None:
    keeper = make()
    keeper.close(10.0)
    part(keeper, 1, R)
    assert keeper.counts == {"overflow": 1}


def test_one_that_never_ran_ends_at_once(scribe: FakeScribe) -> None:
    keeper = ImageRecorder(
        ring=FrameRing(frames=1, max_bytes=100),
        scribe=scribe,  # type: ignore[arg-type]
        rules=KeepRules(),
        max_waiting_bytes=100,
    )
    keeper.dump(10.0)
    keeper.close(10.0)


class Journal:
    """Takes marks; calls back when the test says that they are on the disk."""

    def __init__(self, *, full: int = 0) -> None:
        self.full, self.taken, self.calls, self.came = full, [], [], threading.Condition()

    def put(self, mark: Mark, picture: str | None, stored: Callable[[], None]) -> bool:
        with self.came:
            self.came.notify_all()
            if self.full:
                self.full -= 1
                return False
            self.taken.append((mark.part_id, mark.kind, picture))
            self.calls.append(stored)
            return True

    def wait(self, count: int) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.taken) >= count, 10)


def test_a_mark_keeps_the_picture_that_is_still_in_memory(
    make: Make, scribe: FakeScribe, tmp_path
) -> None:
    inbox, journal = Inbox(tmp_path), Journal()
    keeper = make(inbox=inbox, on_mark=journal.put)
    part(keeper, 1, P)
    part(keeper, 2, R)
    for number, kind in ((1, "escape"), (2, "false-reject"), (77, "look")):
        inbox.post(new_mark(number, kind, ""))
    journal.wait(3)
    assert journal.taken == [
        (1, "escape", "1.png"),
        (2, "false-reject", "2.png"),
        (77, "look", None),
    ]
    assert (1, KeepReason.MARK) in scribe.kept
    assert scribe.marked == [2]
    # They stay until the journal has them on the disk: a crash before that must not lose one.
    assert len(inbox.waiting()) == 3
    for stored in journal.calls:
        stored()
    limit = threading.Event()
    for _ in range(100):
        if not inbox.waiting():
            break
        limit.wait(0.1)
    assert not inbox.waiting()
    assert len(journal.taken) == 3


def test_a_mark_that_the_journal_has_no_room_for_is_tried_again(make: Make, tmp_path) -> None:
    inbox, journal = Inbox(tmp_path), Journal(full=2)
    make(inbox=inbox, on_mark=journal.put)
    inbox.post(new_mark(5, "look", ""))
    journal.wait(1)
    assert journal.taken == [(5, "look", None)]


def test_pictures_that_gave_way_are_told_of(
    make: Make, scribe: FakeScribe, caplog: pytest.LogCaptureFixture
) -> None:
    scribe.gone = 3
    turns = iter((0.0, 100.0, *([100.0] * 10**6)))
    make(now_s=lambda: next(turns))
    limit = threading.Event()
    for _ in range(100):
        if caplog.messages:
            break
        limit.wait(0.1)
    assert caplog.messages == ["pictures_gave_way count=3"]
