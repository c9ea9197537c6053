"""A heartbeat only by who has looked, and never again after a hang."""

from __future__ import annotations

import pytest

from edge.errors import StalledError
from edge.watchdog import Watchdog, WatchedStage
from tests.watchdog.manager import RecordingNotifier

S = 1_000_000_000


class HandClock:
    def __init__(self) -> None:
        self.at_ns = 100 * S

    def now_ns(self) -> int:
        return self.at_ns

    def sleep_until_ns(self, due_ns: int) -> None:
        self.at_ns = max(self.at_ns, due_ns)


def test_it_feeds_at_the_interval_while_all_stages_move() -> None:
    clock, manager = HandClock(), RecordingNotifier()
    camera = WatchedStage("camera", limit_ns=3 * S, clock=clock)
    watchdog = Watchdog(manager, [camera], clock=clock)
    for turn in range(40):  # four seconds
        camera.beat()
        watchdog.check(f"turn {turn}")
        clock.at_ns += S // 10
    assert manager.heard == [("alive", f"turn {turn}") for turn in (0, 10, 20, 30)]


def test_one_stage_that_hangs_among_others_is_named_at_its_bound_and_never_forgiven() -> None:
    clock, manager = HandClock(), RecordingNotifier()
    camera = WatchedStage("camera", limit_ns=3 * S, clock=clock)
    journal = WatchedStage("journal", limit_ns=30 * S, clock=clock)
    watchdog = Watchdog(manager, [camera, journal], clock=clock)
    clock.at_ns += 3 * S
    watchdog.check("at the bound")
    clock.at_ns += S // 10
    for _ in range(2):  # the second time it has recovered, too late
        with pytest.raises(StalledError, match=r"^hung: camera for 3\.1 s$"):
            watchdog.check("past it")
        camera.beat()
    assert manager.heard == [
        ("alive", "at the bound"),
        ("say", "hung: camera for 3.1 s"),
        ("say", "hung: camera for 3.1 s"),
    ]


def test_a_stage_in_another_process_is_as_old_as_its_last_word() -> None:
    clock = HandClock()
    rejector = WatchedStage("rejector", limit_ns=S, clock=clock)
    clock.at_ns += 10 * S
    rejector.beat_at(clock.at_ns - S)
    Watchdog(RecordingNotifier(), [rejector], clock=clock).check("")
    rejector.beat_at(clock.at_ns - S - 1)
    with pytest.raises(StalledError, match="rejector"):
        Watchdog(RecordingNotifier(), [rejector], clock=clock).check("")
