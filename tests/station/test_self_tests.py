"""Self-tests in a station: whole histories of events, verdicts and orders."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import parse_bundle
from edge.bundle.manifest import GoldenLimits
from edge.chain.load import build_inspector
from edge.chain.self_test import GoldenFrameTest
from edge.errors import FrameError
from edge.inbox import new_mark
from edge.records import Frame, Verdict
from edge.station.monitor.self_test_state import read_self_test
from tests.support.bundles import CLEAN, HOLE, bundle_bytes
from tests.support.monitors import ScriptedSelfTest, monitor
from tests.support.station import CLOCK, MS, P, R, StationHarness, U


class SkippingClock:
    """The real clock plus the time that the test adds."""

    def __init__(self) -> None:
        self.added_ns = 0

    def now_ns(self) -> int:
        return CLOCK.now_ns() + self.added_ns

    def skip(self, by_ns: int) -> None:
        self.added_ns += by_ns


def event_history(harness: StationHarness) -> list[tuple]:
    """Return every event in the order of the journal, without times."""
    history: list[tuple] = []
    for event in harness.journal.events:
        if event.type == "outfeed.self-test/1":
            history.append(
                (event.subject, event.reproduced, event.reason, event.since_part, event.part_id)
            )
        elif event.type == "outfeed.part/1":
            history.append((event.part_id, event.decision, event.reason))
        else:
            history.append((event.type,))
    return history


def test_self_tests_run_before_the_first_part_and_between_parts(tmp_path: Path) -> None:
    self_test = ScriptedSelfTest()
    harness = StationHarness(2, monitor=monitor(tmp_path, self_test))
    harness.trigger.gate = lambda n: len(self_test.threads) >= n + 1
    summary = harness.run()
    history = event_history(harness)
    assert history[:2] == [("s1", True, "", 1, 0), ("s2", True, "", 1, 0)]
    assert [each for each in history if each[0] in (1, 2)] == [
        (1, P, "scripted"),
        (2, P, "scripted"),
    ]
    assert self_test.threads[:2] == ["MainThread", "MainThread"]
    assert set(self_test.threads[2:]) == {"inspector"}
    ran = len(self_test.threads)
    assert summary.monitor == {"self-tests": ran}
    assert summary.stages["self-test"].count == ran - 2
    assert read_self_test(tmp_path / "self_test.json").subject.startswith("s")


def test_after_a_failed_self_test_no_part_passes_until_the_next_start(
    tmp_path: Path,
) -> None:
    self_test = ScriptedSelfTest(None, None, "sees nothing")
    harness = StationHarness(4, inspector={3: lambda: R}, monitor=monitor(tmp_path, self_test))
    # Part 1 is before the self-test that fails, the others after it.
    self_test_allowed = threading.Event()
    is_due = harness.station._monitor.is_self_test_due
    harness.station._monitor.is_self_test_due = lambda: self_test_allowed.is_set() and is_due()
    harness.on_verdict = lambda v: (harness.verdicts.append(v), self_test_allowed.set())
    harness.trigger.gate = lambda n: (
        n == 1 or (len(self_test.threads) == 3 and len(harness.verdicts) >= n - 1)
    )
    summary = harness.run()
    assert event_history(harness) == [
        ("s1", True, "", 1, 0),
        ("s2", True, "", 1, 0),
        (1, P, "scripted"),
        ("s3", False, "sees nothing", 1, 1),
        (2, U, "self-test failed, s3: sees nothing"),
        (3, R, "scripted"),  # a defect that it still finds is ejected
        (4, U, "self-test failed, s3: sees nothing"),
    ]
    assert harness.rejector.orders == [
        ("announce", 1),
        ("resolve", 1, False),
        ("announce", 2),
        ("announce", 3),
        ("resolve", 3, True),
        ("announce", 4),
        ("close",),
    ]
    assert len(self_test.threads) == 3  # no further self-test runs after a failure
    assert summary.monitor == {"self-tests": 3, "self-tests failed": 1}
    state = read_self_test(tmp_path / "self_test.json")
    assert (state.subject, state.reason) == ("s3", "sees nothing")


def test_on_self_test_failure_report_changes_no_verdict(tmp_path: Path) -> None:
    self_test = ScriptedSelfTest("sees nothing")
    harness = StationHarness(
        1, monitor=monitor(tmp_path, self_test, on_self_test_failure="report", every_ns=0)
    )
    harness.run()
    assert event_history(harness)[0] == ("s1", False, "sees nothing", 1, 0)
    assert event_history(harness)[-1] == (1, P, "scripted")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FrameError("too small"), "too small"),
        (ZeroDivisionError("oh"), "internal error: ZeroDivisionError: oh"),
    ],
)
def test_a_self_test_that_breaks_the_chain_is_not_reproduced(tmp_path, error, reason) -> None:
    harness = StationHarness(1, monitor=monitor(tmp_path, ScriptedSelfTest(error), every_ns=0))
    harness.run()
    assert event_history(harness) == [
        ("s1", False, reason, 1, 0),
        ("s2", True, "", 1, 0),
        (1, U, f"self-test failed, s1: {reason}"),
    ]


def test_a_golden_frame_without_a_defect_does_not_confirm_parts(tmp_path: Path) -> None:
    """A chain that detects nothing reproduces golden frames without a defect."""
    one = monitor(tmp_path, ScriptedSelfTest(None, None, None, None, "no defect"))
    seen = []
    one.start(seen.append, 1)
    for last in (10, 20, 30):  # a defect, none, a defect
        assert one.run_self_test(1, last) or one.run_self_test(1_000 * MS, last)
    one.close(5)
    assert [(e.subject, e.reproduced, e.since_part, e.part_id) for e in seen] == [
        ("s1", True, 1, 0),
        ("s2", True, 1, 0),
        ("s3", True, 1, 10),
        ("s4", True, 11, 20),
        ("s5", False, 11, 30),
    ]


def test_without_an_interval_self_tests_run_at_the_start_only(tmp_path: Path) -> None:
    self_test = ScriptedSelfTest()
    StationHarness(3, monitor=monitor(tmp_path, self_test, every_ns=0)).run()
    assert len(self_test.threads) == 2


def test_a_self_test_longer_than_the_budget_does_not_run(tmp_path: Path, caplog) -> None:
    # 400 ms each, which never fits into a budget of 300 ms.
    clock = SkippingClock()
    self_test = ScriptedSelfTest(during=lambda: clock.skip(400 * MS))
    harness = StationHarness(20, monitor=monitor(tmp_path, self_test, clock=clock))
    harness.run()
    assert len(self_test.threads) == 2
    assert [r.message.split()[0] for r in caplog.records if "self_test" in r.message] == [
        "self_test_starved"
    ]
    state = read_self_test(tmp_path / "self_test.json")
    assert (state.is_starved, state.reason) == (True, "")


def test_a_part_that_arrives_during_a_self_test_has_its_verdict_in_time(tmp_path: Path) -> None:
    arrived = threading.Semaphore(0)
    caught: list[int] = []

    def during() -> None:
        """Let every part arrive in the middle of a self-test."""
        if threading.current_thread().name == "inspector" and len(caught) < 5:
            assert arrived.acquire(timeout=30)
            caught.append(len(harness.verdicts))

    self_test = ScriptedSelfTest(during=during)
    harness = StationHarness(5, monitor=monitor(tmp_path, self_test))
    announce = harness.rejector.announce
    harness.rejector.announce = lambda *part: (announce(*part), arrived.release())
    harness.trigger.gate = lambda n: (
        len(self_test.threads) == 2 + n and len(harness.verdicts) == n - 1
    )
    summary = harness.run()
    assert caught == [0, 1, 2, 3, 4]  # each before its verdict
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P] * 5
    assert (summary.late, summary.overload) == (0, 0)


def test_a_known_bad_part_that_passed(tmp_path: Path) -> None:
    harness = StationHarness(3, inspector={1: lambda: R}, monitor=monitor(tmp_path, None))
    harness.trigger.gate = lambda n: len(harness.verdicts) >= n - 1 and marked(harness, n)
    summary = harness.run()
    assert event_history(harness) == [
        (1, R, "scripted"),
        ("outfeed.mark/1",),
        ("part 1", True, "", 1, 1),
        (2, P, "scripted"),
        ("outfeed.mark/1",),
        ("part 2", False, "a known defective part passed", 2, 2),
        (3, U, "self-test failed, part 2: a known defective part passed"),
    ]
    assert summary.monitor == {"self-tests": 2, "self-tests failed": 1}


def marked(harness: StationHarness, number: int) -> bool:
    """Mark part number - 1 as a known bad part, once."""
    done = harness.__dict__.setdefault("done", set())
    if number - 1 in (1, 2) and number not in done:
        done.add(number)
        assert harness.station._put_mark(new_mark(number - 1, "self-test", ""), None, lambda: None)
    return True


def test_a_mark_on_a_part_without_a_verdict_is_ignored(tmp_path: Path, caplog) -> None:
    one = monitor(tmp_path, None)
    one.record_verdict(Verdict.unknown(7, reason="late"))
    one.record_bad_part(7)
    one.record_bad_part(8)
    assert [record.message for record in caplog.records] == [
        "self_test_part_ignored part=7: it has no verdict",
        "self_test_part_ignored part=8: its verdict is not remembered",
    ]
    assert (one.doubt(), one.counts) == (None, {})


def test_another_mark_is_no_self_test(tmp_path: Path) -> None:
    harness = StationHarness(1, monitor=monitor(tmp_path, None))
    harness.run()
    harness.station._put_mark(new_mark(1, "escape", ""), None, lambda: None)
    assert harness.station._monitor.counts == {}


class Dimming:
    """A real chain whose detector finds only a clean surface after a number of frames."""

    def __init__(self, inspector, after: int) -> None:
        self.inspector, self.left = inspector, after

    def examine(self, frame: Frame):
        self.left -= 1
        pixels = np.full_like(frame.pixels, 160) if self.left < 0 else frame.pixels
        return self.inspector.examine(replace(frame, pixels=pixels))

    def inspect(self, frame: Frame) -> Verdict:
        return self.examine(frame).verdict


def test_a_real_chain_whose_detector_fails(tmp_path: Path) -> None:
    bundle = parse_bundle(bundle_bytes())
    # Two self-tests at the start and the first part; then the detector fails.
    chain = Dimming(build_inspector(bundle, now_ns=time.monotonic_ns), after=3)
    one = monitor(tmp_path, GoldenFrameTest(bundle, chain, GoldenLimits()))
    harness = StationHarness(3, monitor=one, camera={n: with_pixels(HOLE) for n in (1, 3)})
    harness.camera.script[2] = with_pixels(CLEAN)
    harness.inspector.inspect = chain.inspect
    is_due = one.is_self_test_due
    one.is_self_test_due = lambda: len(harness.verdicts) >= 1 and is_due()
    harness.trigger.gate = lambda n: n == 1 or (one.doubt() and len(harness.verdicts) >= n - 1)
    harness.run()
    (first, second, third) = harness.journal.decisions()
    assert first[:2] == (1, R)
    # The chain no longer detects the hole of part 3, but the part does not pass.
    assert [each[:2] for each in (second, third)] == [(2, U), (3, U)]
    assert second[2].startswith("self-test failed, golden/")
    assert "detect: severity 0.00" in second[2]


def with_pixels(pixels):
    return lambda frame: replace(frame, pixels=pixels)
