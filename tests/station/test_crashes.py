"""An unforeseen exception in each thread of a station: no Goodbye and no normal end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import CrashedError, DeviceError
from edge.pictures import FrameRing, KeepRules
from edge.pictures.recorder import ImageRecorder
from tests.support.monitors import monitor
from tests.support.pictures import FakeImageRecorder, FakeImageWriter
from tests.support.station import P, R, StationHarness, U, raises, wait_for_threads

BUG = ZeroDivisionError("a bug, scripted")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    wait_for_threads()


class BrokenInbox:
    waiting = raises(BUG)


def trigger(folder: Path) -> StationHarness:
    harness = StationHarness(10**9)
    wait = harness.trigger.wait
    harness.trigger.wait = lambda s: raises(BUG)() if harness.trigger.sent == 3 else wait(s)
    return harness


def camera(folder: Path) -> StationHarness:
    keeper = FakeImageRecorder()
    keeper.record_frame = lambda frame: raises(BUG)() if frame.part_id == 3 else None
    return StationHarness(10**9, pictures=keeper)


def inspector(folder: Path) -> StationHarness:
    keeper = FakeImageRecorder()
    keeper.record_inspection = lambda verdict: raises(BUG)() if verdict.part_id == 3 else None
    return StationHarness(10**9, pictures=keeper)


def deadline(folder: Path) -> StationHarness:
    slow = threading.Event()
    harness = StationHarness(10**9, inspector={2: lambda: slow.wait(1) or P})
    harness.on_verdict = lambda verdict: (
        raises(BUG)() if verdict.decision is U else harness.verdicts.append(verdict)
    )
    return harness


def journal(folder: Path) -> StationHarness:
    harness = StationHarness(10**9)
    store = harness.journal.append
    harness.journal.append = lambda events: (
        raises(BUG)() if len(harness.verdicts) > 2 else store(events)
    )
    return harness


def pictures(folder: Path) -> StationHarness:
    rules = KeepRules(0, 0)
    ring = FrameRing(frames=4, max_bytes=1 << 20)
    keeper = ImageRecorder(
        ring=ring,
        writer=FakeImageWriter(),
        rules=rules,
        max_waiting_bytes=1 << 20,
        inboxes=(BrokenInbox(),),
    )
    return StationHarness(10**9, pictures=keeper)


def watcher(folder: Path) -> StationHarness:
    class BrokenDrifting:
        active = ()
        load = raises(BUG)

    return StationHarness(10**9, monitor=monitor(folder, drifting=BrokenDrifting()))


def rejector_link(folder: Path) -> StationHarness:
    harness = StationHarness(10**9)
    start = harness.rejector.start

    def with_a_thread(on_actuated: Callable[..., None]) -> None:
        start(on_actuated)
        threading.Thread(target=raises(BUG), name="rejector-link").start()

    harness.rejector.start = with_a_thread
    return harness


@pytest.mark.parametrize(
    ("name", "make"),
    [
        *(("trigger", trigger), ("camera", camera), ("inspector", inspector)),
        *(("deadline", deadline), ("journal", journal), ("pictures", pictures)),
        *(("monitor", watcher), ("rejector-link", rejector_link)),
    ],
)
def test_an_unforeseen_exception_ends_the_station(
    name: str,
    make: Callable[[Path], StationHarness],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook = threading.excepthook
    harness = make(tmp_path)
    with pytest.raises(
        CrashedError, match=f"^crashed: {name}: ZeroDivisionError: a bug, scripted$"
    ):
        harness.station.run()
    assert ("close",) not in harness.rejector.orders
    assert harness.rejector.orders[-1] == ("abandon",)
    announced = [order[1] for order in harness.rejector.orders if order[0] == "announce"]
    decisions = harness.journal.decisions()
    if name != "journal":
        assert [part for part, _, _ in decisions] == announced
        assert {decision for _, decision, _ in decisions} <= {P, U}
        assert harness.journal.closed
    (record,) = [each for each in caplog.records if each.getMessage().startswith("thread_crashed")]
    assert record.exc_info is not None
    assert record.exc_info[1] is BUG
    assert threading.excepthook is hook


def test_a_thread_that_ends_by_sys_exit_counts_too() -> None:
    keeper = FakeImageRecorder()
    keeper.record_frame = lambda frame: sys.exit(0)
    harness = StationHarness(10**9, pictures=keeper)
    with pytest.raises(CrashedError, match="camera: SystemExit"):
        harness.station.run()


def test_a_crash_behind_the_last_part_is_noticed_before_the_goodbye() -> None:
    keeper = FakeImageRecorder()
    keeper.record_inspection = raises(BUG)
    harness = StationHarness(1, pictures=keeper)
    with pytest.raises(CrashedError, match="inspector"):
        harness.station.run()
    assert harness.rejector.orders[-1] == ("abandon",)


def test_a_step_of_the_end_that_fails_keeps_none_from_its_turn() -> None:
    keeper = FakeImageRecorder()
    harness = StationHarness(10**9, pictures=keeper)
    harness.on_verdict = raises(BUG)  # for the parts that are settled at the end too
    harness.rejector.abandon = raises(BUG)
    with pytest.raises(CrashedError):
        harness.station.run()
    assert harness.journal.closed
    assert keeper.calls[-1] == ("dump",)


def test_closing_a_device_may_crash_too() -> None:
    harness = StationHarness(2)
    harness.camera.close = raises(BUG)
    with pytest.raises(CrashedError, match="main"):
        harness.station.run()
    assert harness.rejector.orders[-1] == ("abandon",)
    assert harness.journal.closed


def test_what_a_device_says_on_purpose_is_no_crash() -> None:
    harness = StationHarness(3)
    harness.trigger.wait = raises(DeviceError("unplugged"))
    with pytest.raises(DeviceError, match="unplugged"):
        harness.station.run()
    assert harness.rejector.orders[-1] == ("close",)


def test_a_part_whose_frame_fails_is_unknown_and_the_line_goes_on() -> None:
    harness = StationHarness(3, camera={2: lambda frame: raises(BUG)()}, inspector={3: lambda: R})
    harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P, U, R]
