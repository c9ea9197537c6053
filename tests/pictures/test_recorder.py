"""Tests of the image recorder: the line never waits for it, and it counts every picture."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from edge.errors import PictureError
from edge.inbox import Inbox, Mark, new_mark
from edge.pictures.keep_rules import KeepReason, KeepRules
from edge.pictures.picture_store import SkippedPicture
from edge.pictures.recorder import ImageRecorder
from edge.pictures.ring import FrameRing
from edge.records import Decision
from tests.pictures.buffered_frames import P, R, U, frame, verdict
from tests.support.pictures import FakeImageWriter


@pytest.fixture
def writer() -> Iterator[FakeImageWriter]:
    made = FakeImageWriter()
    yield made
    made.open.set()


Make = Callable[..., ImageRecorder]


@pytest.fixture
def make(writer: FakeImageWriter) -> Iterator[Make]:
    made: list[ImageRecorder] = []

    def recorder(
        *, frames: int = 32, max_bytes: int = 100_000, on_mark=lambda *_: True, **given
    ) -> ImageRecorder:
        rules = given.pop("rules", KeepRules())
        recorder = ImageRecorder(
            ring=FrameRing(frames=frames, max_bytes=max_bytes),
            writer=writer,  # type: ignore[arg-type]
            rules=rules,
            max_waiting_bytes=max_bytes,
            **given,
        )
        made.append(recorder)
        recorder.start(on_mark)
        return recorder

    yield recorder
    writer.open.set()
    for each in made:
        each.close(10.0)


def part(recorder: ImageRecorder, number: int, decision: Decision) -> None:
    recorder.record_frame(frame(number))
    recorder.record_inspection(verdict(number, decision))
    recorder.record_verdict(verdict(number, decision))


def test_rejects_and_unknowns_are_stored_and_good_parts_are_not(
    make: Make, writer: FakeImageWriter
) -> None:
    recorder = make()
    for number, decision in enumerate((P, R, P, U, R), start=1):
        part(recorder, number, decision)
    recorder.record_verdict(verdict(77, U))  # without a frame
    recorder.close(10.0)
    assert writer.written == [
        (2, KeepReason.REJECT),
        (4, KeepReason.UNKNOWN),
        (5, KeepReason.REJECT),
    ]
    assert recorder.counts == {"reject": 2, "unknown": 1}


def test_one_good_part_in_four_is_stored(make: Make, writer: FakeImageWriter) -> None:
    recorder = make(rules=KeepRules(pass_every=4))
    for number in range(1, 10):
        part(recorder, number, P)
    recorder.close(10.0)
    assert writer.written == [(4, KeepReason.PASS), (8, KeepReason.PASS)]


def test_parts_before_a_defect_are_stored(make: Make, writer: FakeImageWriter) -> None:
    recorder = make(rules=KeepRules(pass_every=10, before_parts=2))
    for number in range(1, 11):
        part(recorder, number, R if number in (4, 5) else P)
    recorder.close(10.0)
    assert writer.written.pop() == (10, KeepReason.PASS)  # and nothing before it
    assert writer.written == [
        (4, KeepReason.REJECT),
        (3, KeepReason.BEFORE),
        (2, KeepReason.BEFORE),
        (5, KeepReason.REJECT),
    ]


def test_a_frame_that_arrives_after_its_verdict_is_stored(
    make: Make, writer: FakeImageWriter
) -> None:
    recorder = make()
    recorder.record_verdict(verdict(1, U))
    recorder.record_frame(frame(1))
    recorder.close(10.0)
    assert writer.written == [(1, KeepReason.UNKNOWN)]


def test_a_disk_that_hangs_costs_only_pictures(
    make: Make, writer: FakeImageWriter, caplog: pytest.LogCaptureFixture
) -> None:
    """Each call returns, the number of waiting pictures is limited, and ``close`` does not wait."""
    writer.open.clear()
    recorder = make(waiting=3)
    part(recorder, 1, R)
    assert writer.was_called.wait(10)
    for number in range(2, 12):
        part(recorder, number, R)
    assert recorder.counts == {"overflow": 7}
    recorder.close(0.05)
    heads = [record.message.split()[0] for record in caplog.records]
    assert heads == ["pictures_overflow", "pictures_given_up"]
    writer.open.set()


def test_the_bytes_of_waiting_pictures_are_limited(make: Make, writer: FakeImageWriter) -> None:
    writer.open.clear()
    recorder = make(max_bytes=400, waiting=100)
    part(recorder, 1, R)
    assert writer.was_called.wait(10)
    for number in range(2, 12):  # 80 bytes each
        part(recorder, number, R)
    writer.open.set()
    recorder.close(10.0)
    assert recorder.counts == {"reject": 6, "overflow": 5}


def test_a_disk_error_is_logged_once_and_once_more_after_it_ended(
    make: Make, writer: FakeImageWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.answers = [PictureError("disk full, scripted")] * 3
    recorder = make()
    for number in range(1, 6):
        part(recorder, number, R)
    recorder.close(10.0)
    assert [part_id for part_id, _ in writer.written] == [4, 5]
    assert recorder.counts == {"disk": 3, "reject": 2}
    heads = [record.message.split()[0] for record in caplog.records]
    assert heads == ["pictures_refused", "pictures_taken_again"]


def test_skipped_pictures_are_counted_by_the_reason(
    make: Make, writer: FakeImageWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.answers = [SkippedPicture.PER_DAY, SkippedPicture.NO_SPACE]
    recorder = make(max_bytes=200)
    part(recorder, 1, R)
    part(recorder, 2, R)
    recorder.close(10.0)
    for number in (3, 4):
        recorder.record_frame(frame(number, (21, 10)))
    assert recorder.counts == {"per_day": 1, "no_space": 1, "too_large": 2}
    heads = [record.message.split()[0] for record in caplog.records]
    assert heads == ["pictures_refused", "pictures_too_large"]


def test_a_crash_writes_the_buffered_frames_the_latest_first(
    make: Make, writer: FakeImageWriter
) -> None:
    recorder = make(waiting=2)
    for number, decision in enumerate((P, R, P, P, P), start=1):
        part(recorder, number, decision)
    recorder.record_frame(frame(6))
    recorder.dump(10.0)
    assert writer.written == [
        (2, KeepReason.REJECT),
        *((n, KeepReason.CRASH) for n in (6, 5, 4, 3, 1)),
    ]
    assert recorder.counts == {"reject": 1, "crash": 5}


def test_a_crash_does_not_wait_for_a_disk_that_hangs(make: Make, writer: FakeImageWriter) -> None:
    writer.open.clear()
    recorder = make()
    part(recorder, 1, R)
    assert writer.was_called.wait(10)
    recorder.dump(0.05)
    writer.open.set()


def test_nothing_is_stored_after_close(make: Make, writer: FakeImageWriter) -> None:
    recorder = make()
    recorder.close(10.0)
    part(recorder, 1, R)
    assert recorder.counts == {"overflow": 1}


def test_a_recorder_that_was_never_started_closes_at_once(writer: FakeImageWriter) -> None:
    recorder = ImageRecorder(
        ring=FrameRing(frames=1, max_bytes=100),
        writer=writer,  # type: ignore[arg-type]
        rules=KeepRules(),
        max_waiting_bytes=100,
    )
    recorder.dump(10.0)
    recorder.close(10.0)


class Journal:
    """Accepts marks. The test calls the callbacks in ``calls``, as for events on the disk."""

    def __init__(self, *, full: int = 0) -> None:
        self.full, self.accepted, self.calls, self.has_changed = full, [], [], threading.Condition()

    def put(self, mark: Mark, picture: str | None, stored: Callable[[], None]) -> bool:
        with self.has_changed:
            self.has_changed.notify_all()
            if self.full:
                self.full -= 1
                return False
            self.accepted.append((mark.part_id, mark.kind, picture))
            self.calls.append(stored)
            return True

    def wait(self, count: int) -> None:
        with self.has_changed:
            assert self.has_changed.wait_for(lambda: len(self.accepted) >= count, 10)


def test_a_mark_stores_the_picture_that_is_still_in_memory(
    make: Make, writer: FakeImageWriter, tmp_path
) -> None:
    inbox, journal = Inbox(tmp_path), Journal()
    recorder = make(inboxes=(inbox,), on_mark=journal.put)
    part(recorder, 1, P)
    part(recorder, 2, R)
    for number, kind in ((1, "escape"), (2, "false-reject"), (77, "look")):
        inbox.post(new_mark(number, kind, ""))
    journal.wait(3)
    assert journal.accepted == [
        (1, "escape", "1.png"),
        (2, "false-reject", "2.png"),
        (77, "look", None),
    ]
    assert (1, KeepReason.MARK) in writer.written
    assert writer.marked == [2]
    # They stay in the inbox until the journal has them on the disk, so that a crash loses none.
    assert len(inbox.waiting()) == 3
    for stored in journal.calls:
        stored()
    limit = threading.Event()
    for _ in range(100):
        if not inbox.waiting():
            break
        limit.wait(0.1)
    assert not inbox.waiting()
    assert len(journal.accepted) == 3


def test_a_mark_that_the_journal_cannot_accept_is_tried_again(make: Make, tmp_path) -> None:
    inbox, journal = Inbox(tmp_path), Journal(full=2)
    make(inboxes=(inbox,), on_mark=journal.put)
    inbox.post(new_mark(5, "look", ""))
    journal.wait(1)
    assert journal.accepted == [(5, "look", None)]


def test_removed_pictures_are_logged(
    make: Make, writer: FakeImageWriter, caplog: pytest.LogCaptureFixture
) -> None:
    writer.removable = 3
    turns = iter((0.0, 100.0, *([100.0] * 10**6)))
    make(now_s=lambda: next(turns))
    limit = threading.Event()
    for _ in range(100):
        if caplog.messages:
            break
        limit.wait(0.1)
    assert caplog.messages == ["pictures_gave_way count=3"]
