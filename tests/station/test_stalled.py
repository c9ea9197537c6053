"""A stage that hangs in a station of scripted parts: heartbeats end, the station stops in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from edge.errors import JournalError, StalledError
from edge.watchdog import StageLimits
from tests.support.station import CLOCK, P, StationHarness, U, wait_for_threads
from tests.watchdog.manager import RecordingNotifier

S = 1_000_000_000
LIMITS = StageLimits(stage_ns=S, journal_ns=2 * S)


class Hanging:
    """Blocks whoever calls it until the test is over."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.entered = threading.Event()

    def __call__(self, *_: object) -> None:
        self.entered.set()
        self.let_go.wait(60)


@pytest.fixture(autouse=True)
def hang() -> Iterator[Hanging]:
    """After the test no thread of its station is left, also where that one did not wait for it."""
    made = Hanging()
    yield made
    made.let_go.set()
    wait_for_threads()


def supervised(parts: int, **given: object) -> tuple[StationHarness, RecordingNotifier]:
    manager = RecordingNotifier()
    return StationHarness(parts, notifier=manager, limits=LIMITS, **given), manager


def kinds(manager: RecordingNotifier) -> list[str]:
    """Return the kinds of the messages, without repetitions."""
    said = [kind for kind, _ in manager.heard]
    return [kind for i, kind in enumerate(said) if i == 0 or said[i - 1] != kind]


def stalls(harness: StationHarness, stage: str, within_s: float) -> str:
    began = time.monotonic()
    with pytest.raises(StalledError, match=f"hung: .*{stage} for") as caught:
        harness.station.run()
    # The hang, then at most one second each for trigger, open parts, rejector and journal.
    assert time.monotonic() - began < within_s + 5
    return str(caught.value)


def test_a_run_in_order_is_ready_then_alive_then_stopping() -> None:
    harness, manager = supervised(3)
    harness.run()
    assert kinds(manager) in (["ready", "alive", "stopping"], ["ready", "stopping"])
    assert manager.heard[0] == (
        "ready",
        "b1: 0 parts, 0 reject, 0 unknown, 0 ejected, 0 missed, 0 events lost",
    )
    # The last part may be under way still when the line ends.
    assert manager.heard[-1][1].startswith(("b1: 2 parts, 0 reject,", "b1: 3 parts, 0 reject,"))


def test_heartbeats_follow_one_another_while_nothing_comes() -> None:
    harness, manager = supervised(1)
    harness.trigger.gate = lambda n: sum(kind == "alive" for kind, _ in manager.heard) >= 3
    harness.run()
    assert kinds(manager) == ["ready", "alive", "stopping"]


def test_a_camera_that_hangs_ends_the_station_and_its_part_is_unknown(hang: Hanging) -> None:
    harness, manager = supervised(10**9, camera={2: lambda frame: (hang(), frame)[1]})
    reason = stalls(harness, "camera", 1)
    assert kinds(manager)[-1] == "say"
    assert ("say", reason) in manager.heard
    assert ("close",) not in harness.rejector.orders
    assert harness.rejector.orders[-1] == ("abandon",)
    decisions = harness.journal.decisions()
    announced = [order[1] for order in harness.rejector.orders if order[0] == "announce"]
    assert [number for number, _, _ in decisions] == announced
    assert [decision for _, decision, _ in decisions] == [P] + [U] * (len(announced) - 1)
    assert len(announced) > 3  # parts go on coming, and each has its verdict at its budget
    assert harness.journal.closed


def test_an_inspector_that_hangs(hang: Hanging) -> None:
    harness, _ = supervised(10**9, inspector={1: lambda: hang() or P})
    reason = stalls(harness, "inspector", 1)
    *late, last = harness.journal.decisions()
    assert {decision for _, decision, _ in (*late, last)} == {U}
    assert last[2] == reason or last[2].startswith("late: ")


def test_a_trigger_that_hangs(hang: Hanging) -> None:
    harness, manager = supervised(1)
    harness.trigger.wait = lambda timeout_s: hang()
    stalls(harness, "trigger", 1)
    assert harness.rejector.orders == [("abandon",)]
    assert harness.journal.closed
    assert manager.heard[-1][0] == "say"


def test_a_journal_that_hangs_has_longer_and_is_not_touched_again(hang: Hanging) -> None:
    harness, _ = supervised(10**9)
    harness.journal.append = hang
    reason = stalls(harness, "journal", 2)
    assert "camera" not in reason
    assert not harness.journal.closed  # it would wait for the call that hangs
    assert harness.rejector.orders[-1] == ("abandon",)


def test_a_journal_that_refuses_is_no_hang() -> None:
    """A full disk: no restart would help, and inspection goes on."""
    harness, manager = supervised(10**9)
    refused = []

    def refuse(events: object) -> None:
        refused.append(events)
        if time.monotonic() > began + 3:
            harness.station.stop()
        raise JournalError("disk full, scripted")

    began = time.monotonic()
    harness.journal.append = refuse
    summary = harness.station.run()
    assert kinds(manager) == ["ready", "alive", "stopping"]
    assert summary.events_lost == summary.parts > 0


def test_a_thread_that_hangs_with_the_lock_in_its_hand(hang: Hanging) -> None:
    """The deadline thread in the middle of its table: no other thread gets it, not even the end."""

    class Clock:
        def now_ns(self) -> int:
            if threading.current_thread().name == "deadline" and harness.verdicts:
                hang()
            return CLOCK.now_ns()

        def sleep_until_ns(self, due_ns: int) -> None:
            CLOCK.sleep_until_ns(due_ns)

    harness, _ = supervised(10**9)
    harness.station._clock = Clock()
    stalls(harness, "deadline", 1)
    assert harness.rejector.orders[-1] == ("abandon",)


def test_a_rejector_that_never_answers_again() -> None:
    harness, _ = supervised(10**9)
    at_ns = CLOCK.now_ns()
    harness.rejector.ping = lambda: at_ns
    stalls(harness, "rejector", 1)
