"""An exception that nobody foresaw, in each thread of a station: no goodbye, no normal end."""

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
from tests.support.pictures import FakeScribe, RecordedKeeper
from tests.support.station import P, R, StationHarness, U, raises, wait_for_threads

BUG = ZeroDivisionError("a bug, scripted")


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    wait_for_threads()


class BrokenInbox:
    waiting = raises(BUG)


def trigger(folder: Path) -> StationHarness:
    house = StationHarness(10**9)
    wait = house.trigger.wait
    house.trigger.wait = lambda s: raises(BUG)() if house.trigger.sent == 3 else wait(s)
    return house


def camera(folder: Path) -> StationHarness:
    keeper = RecordedKeeper()
    keeper.record_frame = lambda frame: raises(BUG)() if frame.part_id == 3 else None
    return StationHarness(10**9, pictures=keeper)


def inspector(folder: Path) -> StationHarness:
    keeper = RecordedKeeper()
    keeper.record_inspection = lambda verdict: raises(BUG)() if verdict.part_id == 3 else None
    return StationHarness(10**9, pictures=keeper)


def deadline(folder: Path) -> StationHarness:
    slow = threading.Event()
    house = StationHarness(10**9, inspector={2: lambda: slow.wait(1) or P})
    house.station._on_verdict = lambda verdict: (
        raises(BUG)() if verdict.decision is U else house.verdicts.append(verdict)
    )
    return house


def journal(folder: Path) -> StationHarness:
    house = StationHarness(10**9)
    store = house.journal.append
    house.journal.append = lambda events: (
        raises(BUG)() if len(house.verdicts) > 2 else store(events)
    )
    return house


def pictures(folder: Path) -> StationHarness:
    rules = KeepRules(0, 0)
    ring = FrameRing(frames=4, max_bytes=1 << 20)
    keeper = ImageRecorder(
        ring=ring, scribe=FakeScribe(), rules=rules, max_waiting_bytes=1 << 20, inbox=BrokenInbox()
    )
    return StationHarness(10**9, pictures=keeper)


def watcher(folder: Path) -> StationHarness:
    class BrokenDrifting:
        active = ()
        load = raises(BUG)

    return StationHarness(10**9, monitor=monitor(folder, drifting=BrokenDrifting()))


def rejector_link(folder: Path) -> StationHarness:
    house = StationHarness(10**9)
    start = house.rejector.start

    def with_a_thread(on_actuated: Callable[..., None]) -> None:
        start(on_actuated)
        threading.Thread(target=raises(BUG), name="rejector-link").start()

    house.rejector.start = with_a_thread
    return house


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
    house = make(tmp_path)
    with pytest.raises(
        CrashedError, match=f"^crashed: {name}: ZeroDivisionError: a bug, scripted$"
    ):
        house.station.run()
    assert ("close",) not in house.rejector.orders
    assert house.rejector.orders[-1] == ("abandon",)
    announced = [order[1] for order in house.rejector.orders if order[0] == "announce"]
    decisions = house.journal.decisions()
    if name != "journal":
        assert [part for part, _, _ in decisions] == announced
        assert {decision for _, decision, _ in decisions} <= {P, U}
        assert house.journal.closed
    (record,) = [each for each in caplog.records if each.getMessage().startswith("thread_crashed")]
    assert record.exc_info is not None
    assert record.exc_info[1] is BUG
    assert threading.excepthook is hook


def test_a_thread_that_ends_by_sys_exit_counts_too() -> None:
    keeper = RecordedKeeper()
    keeper.record_frame = lambda frame: sys.exit(0)
    house = StationHarness(10**9, pictures=keeper)
    with pytest.raises(CrashedError, match="camera: SystemExit"):
        house.station.run()


def test_a_crash_behind_the_last_part_is_noticed_before_the_goodbye() -> None:
    keeper = RecordedKeeper()
    keeper.record_inspection = raises(BUG)
    house = StationHarness(1, pictures=keeper)
    with pytest.raises(CrashedError, match="inspector"):
        house.station.run()
    assert house.rejector.orders[-1] == ("abandon",)


def test_a_step_of_the_end_that_fails_keeps_none_from_its_turn() -> None:
    keeper = RecordedKeeper()
    house = StationHarness(10**9, pictures=keeper)
    house.station._on_verdict = raises(BUG)  # for the parts that are settled at the end too
    house.rejector.abandon = raises(BUG)
    with pytest.raises(CrashedError):
        house.station.run()
    assert house.journal.closed
    assert keeper.told[-1] == ("dump",)


def test_closing_a_device_may_crash_too() -> None:
    house = StationHarness(2)
    house.camera.close = raises(BUG)
    with pytest.raises(CrashedError, match="main"):
        house.station.run()
    assert house.rejector.orders[-1] == ("abandon",)
    assert house.journal.closed


def test_what_a_device_says_on_purpose_is_no_crash() -> None:
    house = StationHarness(3)
    house.trigger.wait = raises(DeviceError("unplugged"))
    with pytest.raises(DeviceError, match="unplugged"):
        house.station.run()
    assert house.rejector.orders[-1] == ("close",)


def test_a_part_whose_frame_fails_is_unknown_and_the_line_goes_on() -> None:
    house = StationHarness(3, camera={2: lambda frame: raises(BUG)()}, inspector={3: lambda: R})
    house.run()
    assert [decision for _, decision, _ in house.journal.decisions()] == [P, U, R]
