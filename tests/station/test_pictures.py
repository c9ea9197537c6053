"""The calls that a station makes to its image writer, and their order."""

from __future__ import annotations

import pytest

from edge.errors import CrashedError, FrameError, StalledError
from edge.inbox import new_mark
from edge.records import Decision, Frame
from edge.watchdog import StageLimits
from tests.support.pictures import FakeImageRecorder
from tests.support.station import P, R, StationHarness, U, raises, wait_for_threads

S = 1_000_000_000


def test_a_part_gives_its_frame_then_its_inspection_then_its_verdict() -> None:
    recorder = FakeImageRecorder()
    summary = StationHarness(2, inspector={2: lambda: R}, pictures=recorder).run()
    assert recorder.calls == [
        ("start",),
        ("frame", 1),
        ("inspection", 1, P),
        ("verdict", 1, P),
        ("frame", 2),
        ("inspection", 2, R),
        ("verdict", 2, R),
        ("close",),
    ]
    assert summary.pictures == {"reject": 3}


def test_a_frame_that_the_chain_refuses_is_inspected_as_unknown() -> None:
    recorder = FakeImageRecorder()
    StationHarness(1, inspector={1: raises(FrameError("no surface"))}, pictures=recorder).run()
    assert recorder.calls[1:-1] == [("frame", 1), ("inspection", 1, U), ("verdict", 1, U)]


def test_a_part_without_a_frame_has_a_verdict_only() -> None:
    recorder = FakeImageRecorder()
    StationHarness(1, camera={1: raises(FrameError("black"))}, pictures=recorder).run()
    assert recorder.calls[1:-1] == [("verdict", 1, U)]


def test_a_late_inspection_is_recorded_too() -> None:
    recorder = FakeImageRecorder()
    harness = StationHarness(1, pictures=recorder)

    def slow() -> Decision:
        while not harness.verdicts:
            pass
        return R

    harness.inspector.script = {1: slow}
    harness.run()
    assert recorder.calls[1:-1] == [("frame", 1), ("verdict", 1, U), ("inspection", 1, R)]


def test_a_stale_frame_is_recorded_and_its_part_is_unknown() -> None:
    recorder = FakeImageRecorder()
    stale = {1: lambda f: Frame(f.part_id, f.sequence, f.triggered_ns, 0, f.pixels)}
    StationHarness(1, camera=stale, pictures=recorder).run()
    assert recorder.calls[1:-1] == [("frame", 1), ("verdict", 1, U)]


def test_a_station_that_fails_dumps_after_the_journal() -> None:
    recorder = FakeImageRecorder()
    harness = StationHarness(
        10**9, pictures=recorder, limits=StageLimits(stage_ns=S, journal_ns=2 * S)
    )
    harness.rejector.ping = lambda: 0
    dump = recorder.dump

    def after_the_journal(timeout_s: float) -> None:
        assert harness.journal.closed
        dump(timeout_s)

    recorder.dump = after_the_journal
    with pytest.raises(StalledError):
        harness.station.run()
    assert recorder.calls[-1] == ("dump",)
    wait_for_threads()
    assert ("close",) not in recorder.calls


def test_an_unexpected_exception_dumps_too() -> None:
    class Fails:
        interval_s = 1.0

        def ready(self, status): ...

        def heartbeat(self, status):
            raise ZeroDivisionError("a bug, scripted")

        def send_status(self, status): ...

        def stopping(self, status): ...

    recorder = FakeImageRecorder()
    harness = StationHarness(10**9, pictures=recorder, notifier=Fails())
    with pytest.raises(CrashedError, match=r"^crashed: main: ZeroDivisionError: a bug, scripted$"):
        harness.station.run()
    assert recorder.calls[-1] == ("dump",)
    wait_for_threads()


def test_a_mark_becomes_an_event_and_is_confirmed_when_it_is_on_the_disk() -> None:
    recorder = FakeImageRecorder()
    stored = []
    harness = StationHarness(1, pictures=recorder)
    mark = new_mark(1, "escape", "a crack")
    begin = recorder.start

    def start(on_mark) -> None:
        begin(on_mark)
        assert on_mark(mark, "1.png", lambda: stored.append(list(harness.journal.events)))

    recorder.start = start
    harness.run()
    (event,) = [each for each in harness.journal.events if each.type == "outfeed.mark/1"]
    assert (event.part_id, event.mark, event.note) == (1, "escape", "a crack")
    assert (event.mark_id, event.marked_utc, event.picture) == (mark.id, mark.utc, "1.png")
    assert event in stored[0]
    assert recorder.on_mark(mark, None, lambda: stored.append("never")) is False  # it has ended
    assert len(stored) == 1
