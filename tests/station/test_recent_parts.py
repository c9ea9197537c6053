"""The register of parts, the numbers on the disk, and what the next start makes of both."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge.clock import boot_id, utc_now
from edge.events.event import (
    ActuationAction,
    ActuationCause,
    GapEvent,
    PartEvent,
    actuation_event,
    gap_event,
    part_event,
)
from edge.events.identity import StoredEvent
from edge.events.start import StartEvent, start_event
from edge.journal.blocks import read_blocks
from edge.records import Decision, Verdict
from edge.station.part_numbers import BLOCK_PARTS, PartNumberFile, RunEnd, SavedNumbers
from edge.station.previous_run import JournalTail, LastRunAccount, first_part, tail_of
from edge.station.recent_parts import CAPACITY, LastRun, OpenPart, PartRegister, open_register

P, R, U = Decision.PASS, Decision.REJECT, Decision.UNKNOWN
NOTHING = JournalTail(False, "aa", None, frozenset())


@pytest.fixture(autouse=True)
def _memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))


def again(folder: Path) -> PartRegister:
    return open_register("press-3", folder)


def left(folder: Path) -> LastRun:
    found = again(folder).last
    assert found is not None
    return found


def begun(folder: Path, first: int = 1) -> PartRegister:
    register = again(folder)
    register.begin("bundle 1", first)
    return register


def test_a_register_outlives_whoever_wrote_it(tmp_path: Path) -> None:
    assert again(tmp_path).last is None
    register = begun(tmp_path, 7)
    for number, decision in ((7, P), (8, R), (9, U), (10, None), (11, P), (12, None)):
        register.record_part(number, 100 * number)
        if decision is not None:
            register.record_verdict(number, decision)
    register.mark_journalled(7)
    register.mark_void(12)
    for number in (7, 8, 10):
        register.mark_done(number)
    register.set_refused(True)
    last = left(tmp_path)
    assert (last.end, last.bundle, last.first_part) == (RunEnd.RUNNING, "bundle 1", 7)
    assert (last.announced, last.under_way, last.gap, last.refused) == (12, range(9, 12), 0, True)
    assert last.parts == (
        OpenPart(8, 800, R, False),
        OpenPart(9, 900, U, False),
        OpenPart(10, 1000, None, False),
        OpenPart(11, 1100, P, False),
    )
    assert 0 <= last.unwatched_ns < 60e9


def test_what_the_journal_has_is_not_journalled_again_by_later_starts(tmp_path: Path) -> None:
    """A kill between the disk and its note: the first start finds the verdict in the tail."""
    register = begun(tmp_path)
    register.record_part(1, 1)
    register.record_verdict(1, P)
    second = begun(tmp_path, 2)
    assert second.last is not None
    assert [part.part_id for part in second.last.parts] == [1]
    second.mark_account_journalled()
    second.record_part(2, 2)
    assert [part.part_id for part in left(tmp_path).parts] == [2]


def test_unwatched_time_adds_up_until_it_is_journalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100
    monkeypatch.setattr("time.monotonic_ns", lambda: now_s * 1_000_000_000)
    begun(tmp_path)
    now_s += 5
    second = begun(tmp_path, 2)  # killed before the journal took its start event
    now_s += 1
    second.record_heartbeat()
    now_s += 7
    third = begun(tmp_path, 3)
    assert third.last is not None
    assert third.last.unwatched_ns == 12_000_000_000
    third.mark_account_journalled()
    now_s += 2
    third.record_heartbeat()
    now_s += 3
    assert left(tmp_path).unwatched_ns == 3_000_000_000


def test_what_is_not_journalled_is_reported_by_the_next_start(tmp_path: Path) -> None:
    register = begun(tmp_path)
    for number in (1, 2):
        register.record_part(number, number)
    second = begun(tmp_path, 3)
    second.record_part(3, 3)
    last = left(tmp_path)
    assert (last.first_part, last.announced) == (1, 3)
    assert [part.part_id for part in last.parts] == [1, 2, 3]
    third = begun(tmp_path, 4)
    for number in (1, 2, 3):
        third.mark_journalled(number)
    third.mark_account_journalled()
    third.record_part(4, 4)
    fourth = begun(tmp_path, 5)
    assert fourth.last is not None
    assert (fourth.last.first_part, len(fourth.last.parts)) == (4, 1)


def test_events_that_found_the_queue_full(tmp_path: Path) -> None:
    register = begun(tmp_path)
    for number in range(1, 6):
        register.record_part(number, number)
        register.record_verdict(number, P)
    register.count_lost(3)
    register.count_lost(None)
    register.count_lost(4)
    last = left(tmp_path)
    assert (last.gap, last.gap_parts) == (3, range(3, 5))
    assert [(part.part_id, part.is_lost) for part in last.parts] == [
        (1, False), (2, False), (3, True), (4, True), (5, False),
    ]  # fmt: skip
    register.mark_gap_journalled(3)
    assert [part.part_id for part in left(tmp_path).parts] == [1, 2, 5]
    assert (left(tmp_path).gap, left(tmp_path).gap_parts) == (0, range(0))


def test_the_last_parts_are_known_and_older_ones_make_room(tmp_path: Path) -> None:
    register = begun(tmp_path)
    for number in range(1, CAPACITY + 11):
        register.record_part(number, number)
    register.record_verdict(1, P)  # whose place another one has
    assert [part.part_id for part in left(tmp_path).parts] == list(range(11, CAPACITY + 11))


def test_another_boot_or_garbage_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register = begun(tmp_path)
    register.record_part(1, 1)
    assert register.path is not None
    with monkeypatch.context() as patched:
        patched.setattr("edge.station.recent_parts.boot_id", lambda: "another")
        assert again(tmp_path).last is None
    register.path.write_bytes(os.urandom(register.path.stat().st_size))
    assert again(tmp_path).last is None
    register.path.write_bytes(b"")
    assert again(tmp_path).last is None


def test_memory_that_cannot_be_shared_costs_the_account_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "nowhere"))
    register = again(tmp_path)
    register.begin("b", 1)
    register.record_part(1, 1)
    assert again(tmp_path).last is None
    assert "part_register_refused" in caplog.text
    link = tmp_path / "elsewhere"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    path = again(tmp_path).path
    assert path is not None
    path.unlink()
    path.symlink_to(link)
    assert again(tmp_path).path is None
    assert not link.exists()


def test_an_end_in_order_gives_the_memory_back(tmp_path: Path) -> None:
    numbers = PartNumberFile(tmp_path / "parts.json")
    register = open_register("press-3", tmp_path, numbers)
    register.begin("b", 1)
    register.record_part(1, 1)
    assert register.path is not None
    register.close(RunEnd.STOPPED, 10.0)
    assert register.path.exists()  # part 1 is not journalled
    register.mark_journalled(1)
    register.mark_account_journalled()
    register.close(RunEnd.STOPPED, 10.0)
    assert not register.path.exists()
    saved = PartNumberFile(tmp_path / "parts.json").last
    assert saved is not None
    assert (saved.end, saved.announced, saved.reserved, saved.unjournalled) == (1, 1, 1, 0)


def test_numbers_are_reserved_before_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "parts.json", [0.0]
    monkeypatch.setattr("edge.station.part_numbers.time.monotonic", lambda: now[0])
    numbers, saved = PartNumberFile(path), None
    for announced in range(0, 3 * BLOCK_PARTS, 1000):
        numbers.update(announced)
        saved = PartNumberFile(path).last
        assert saved is not None
        assert saved.reserved >= announced + BLOCK_PARTS // 2
    assert saved is not None
    writes = saved.turn
    assert writes < 8  # one for each half of a block
    for _ in range(100):
        now[0] += 1.0
        numbers.update(3 * BLOCK_PARTS)
    saved = PartNumberFile(path).last
    assert saved is not None
    assert saved.turn - writes <= 3  # one of each ten seconds or minute
    assert saved.announced == 3 * BLOCK_PARTS


@pytest.mark.parametrize("content", [b"", b"\0" * 8192, b"{}", b"\xff" * 100])
def test_numbers_that_are_damaged_are_unknown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "parts.json"
    path.write_bytes(content)
    numbers = PartNumberFile(path)
    assert numbers.last is None
    numbers.update(5)
    assert len(read_blocks(path)) >= 1
    saved = PartNumberFile(path).last
    assert saved is not None
    assert (saved.announced, saved.reserved) == (5, 5 + BLOCK_PARTS)


def test_a_disk_that_refuses_numbers_is_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = PartNumberFile(tmp_path / "nowhere" / "parts.json")
    for announced in range(5):
        numbers.update(announced)
    assert not numbers.end(RunEnd.STOPPED, 5, 0)
    assert len([r for r in caplog.records if "part_numbers_refused" in r.message]) == 1


def run(**given: object) -> LastRun:
    values = {
        "end": RunEnd.RUNNING, "bundle": "b0", "first_part": 1, "announced": 9,
        "under_way": range(7, 10),
        "unwatched_ns": 5_000_000_000, "gap": 0, "gap_parts": range(0),
        "refused": False, "parts": (),
    }  # fmt: skip
    return LastRun(**{**values, **given})  # type: ignore[arg-type]


def account(
    last: LastRun | None = None, saved: SavedNumbers | None = None, tail: JournalTail = NOTHING
) -> tuple[StartEvent, list[object]]:
    start, *rest = LastRunAccount("s", "b1", 100, last, saved, lambda: tail).events()
    assert isinstance(start, StartEvent)
    assert (start.station, start.bundle, start.first_part) == ("s", "b1", 100)
    return start, list(rest)


def test_the_account_of_a_killed_run() -> None:
    parts = (OpenPart(7, 70, R, False), OpenPart(8, 80, P, False), OpenPart(9, 90, None, False))
    start, rest = account(run(parts=parts), tail=JournalTail(False, "aa", 1, frozenset({1, 7})))
    assert (start.last_end, start.last_run, start.last_part) == ("killed", "aa", 9)
    assert (start.recovered, start.unaccounted, start.last_part_at_most) == (2, (), None)
    assert start.under_way == (7, 9)
    assert start.unwatched_s == pytest.approx(5.0, abs=2.0)
    assert all(isinstance(event, PartEvent) for event in rest)
    assert [
        (event.part_id, event.decision, event.triggered_ns, event.bundle, event.reason)
        for event in rest
        if isinstance(event, PartEvent)
    ] == [
        (8, P, 80, "b0", "judged before the station ended, and journalled after; details are lost"),
        (9, U, 90, "b0", "the station ended before it had a verdict"),
    ]


def test_the_account_of_lost_events_is_a_gap() -> None:
    parts = (OpenPart(8, 80, P, True), OpenPart(9, 90, P, False))
    start, rest = account(run(parts=parts, gap=10, gap_parts=range(3, 9), refused=True))
    assert (start.recovered, start.refused) == (2, True)
    assert (start.unaccounted, start.unaccounted_parts) == (((3, 7),), 5)
    gap, *recovered = rest
    assert isinstance(gap, GapEvent)
    assert gap.count == 9  # ten, of which one is known after all
    assert len(recovered) == 2


@pytest.mark.parametrize(
    ("end", "said"),
    [(RunEnd.STOPPED, "stopped"), (RunEnd.FAILED, "failed"), (RunEnd.CRASHED, "crashed")],
)
def test_the_account_of_other_ends(end: RunEnd, said: str) -> None:
    start, rest = account(run(end=end, under_way=range(0)))
    assert (start.last_end, start.under_way, rest) == (said, None, [])


def saved(end: RunEnd, boot: str, announced: int, reserved: int, left: int = 0) -> SavedNumbers:
    return SavedNumbers(boot, utc_now(), int(end), announced, reserved, left)


def test_the_account_of_a_power_cut() -> None:
    """Up to ten seconds of it are not on the disk; more is not known, as the event reports."""
    tail = JournalTail(False, "aa", 3, frozenset({3, 4, 6}))
    start, rest = account(None, saved(RunEnd.RUNNING, "another", 8, 100_000), tail)
    assert (start.last_end, start.last_part, start.last_part_at_most) == ("power", 8, 100_000)
    assert (start.unaccounted, start.unaccounted_parts) == (((5, 5), (7, 8)), 3)
    (gap,) = rest
    assert isinstance(gap, GapEvent)
    assert (gap.count, gap.reason) == (3, "parts 5 to 8 have no verdict")
    assert start.unwatched_s == pytest.approx(0.0, abs=5.0)


def test_a_wall_clock_that_jumped_does_not_count_within_a_boot() -> None:
    at_ns = time.monotonic_ns() - 7_000_000_000
    known = replace(saved(RunEnd.STOPPED, boot_id(), 3, 3), utc="2001-01-01T00:00:00Z", at_ns=at_ns)
    start, _ = account(None, known)
    assert start.unwatched_s == pytest.approx(7.0, abs=5.0)
    start, _ = account(None, replace(known, boot_id="another"))
    assert (start.unwatched_s or 0.0) > 1e8


def test_the_account_of_what_the_disk_knows() -> None:
    tail = JournalTail(False, "aa", 1, frozenset({1, 2}))
    start, rest = account(None, saved(RunEnd.STOPPED, "another", 3, 3), tail)
    assert (start.last_end, start.unaccounted, rest) == ("stopped", (), [])
    start, rest = account(None, saved(RunEnd.STOPPED, "another", 3, 3, left=1), tail)
    assert (start.unaccounted, len(rest)) == (((3, 3),), 1)
    assert account(None, None, JournalTail(True, None, None, frozenset()))[0].last_end == "first"
    assert account(None, None, tail)[0].last_end == "unknown"


def test_the_tail_of_a_journal() -> None:
    events = [
        part_event("s", "b", Verdict.unknown(1, reason="x"), 1),
        start_event("s", "b", first_part=5, last_end="killed", last_run=None),
        part_event("s", "b", Verdict.unknown(5, reason="x"), 1),
        actuation_event(
            "s",
            part_id=6,
            due_ns=1,
            at_ns=1,
            width_us=0,
            action=ActuationAction.NO_PART,
            cause=ActuationCause.SEEN_AGAIN,
        ),
        actuation_event(
            "s",
            part_id=7,
            due_ns=1,
            at_ns=1,
            width_us=9,
            action=ActuationAction.EJECTED,
            cause=ActuationCause.VERDICT,
        ),
        gap_event("s", count=1, reason="x"),
    ]
    rows = [
        StoredEvent("s", "j", "r", n, each.model_dump_json()) for n, each in enumerate(events, 1)
    ]
    assert tail_of(rows[::-1]) == JournalTail(False, "r", 5, frozenset({1, 5, 6}))
    assert tail_of([]) == JournalTail(True, None, None, frozenset())


def test_no_number_is_given_twice() -> None:
    running = saved(RunEnd.RUNNING, "another", 50, 1000)
    assert first_part(run(announced=60), running, 40) == 61
    assert first_part(run(announced=60), None, 400) == 401
    assert first_part(None, running, 40) == 1001
    assert first_part(None, saved(RunEnd.STOPPED, "another", 50, 50), 40) == 51
    assert first_part(None, None, 0) == 1
    assert first_part(None, None, 40) == BLOCK_PARTS + 1
    assert first_part(None, running, None) == 1001
    assert abs(first_part(None, None, None) - time.time() * 1000) < 60_000
