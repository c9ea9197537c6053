"""Drift and self-tests in a station: whole histories of events, verdicts and orders."""

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
from edge.chain.self_test import Sentinels
from edge.drift import FalseAlarmRate
from edge.errors import FrameError
from edge.inbox import new_mark
from edge.records import Frame, Verdict
from edge.station.monitor.drift import DriftDetector, DriftRules
from edge.station.monitor.self_test_state import read_self_test
from tests.support.bundles import CLEAN, HOLE, bundle_bytes
from tests.support.monitors import monitor
from tests.support.station import CLOCK, MS, P, R, StationHarness, U


class ScriptedSelfTest:
    """Named pictures, each with what it does not reproduce."""

    def __init__(self, *faults: str | Exception | None, during=lambda: None) -> None:
        self.faults, self.during, self.threads = list(faults), during, []
        self.count = 2

    @property
    def upcoming(self) -> str:
        return f"s{len(self.threads) + 1}"

    @property
    def shows_defect(self) -> bool:
        return len(self.threads) % 2 == 0

    def prove(self) -> str | None:
        self.threads.append(threading.current_thread().name)
        self.during()
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        return fault


class SkippingClock:
    """The real one, but for what the test adds."""

    def __init__(self) -> None:
        self.added_ns = 0

    def now_ns(self) -> int:
        return CLOCK.now_ns() + self.added_ns

    def skip(self, by_ns: int) -> None:
        self.added_ns += by_ns


def told(harness: StationHarness) -> list[tuple]:
    """Every event in the journal's order, without times."""
    found: list[tuple] = []
    for event in harness.journal.events:
        if event.type == "outfeed.self-test/1":
            found.append(
                (event.subject, event.reproduced, event.reason, event.since_part, event.part_id)
            )
        elif event.type == "outfeed.part/1":
            found.append((event.part_id, event.decision, event.reason))
        else:
            found.append((event.type,))
    return found


def test_sentinels_run_before_the_first_part_and_between_parts(tmp_path: Path) -> None:
    self_test = ScriptedSelfTest()
    harness = StationHarness(2, monitor=monitor(tmp_path, self_test))
    harness.trigger.gate = lambda n: len(self_test.threads) >= n + 1
    summary = harness.run()
    history = told(harness)
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
    assert told(harness) == [
        ("s1", True, "", 1, 0),
        ("s2", True, "", 1, 0),
        (1, P, "scripted"),
        ("s3", False, "sees nothing", 1, 1),
        (2, U, "self-test failed, s3: sees nothing"),
        (3, R, "scripted"),  # what it still finds is ejected
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
    assert len(self_test.threads) == 3  # nothing more is to be proven
    assert summary.monitor == {"self-tests": 3, "self-tests failed": 1}
    kept = read_self_test(tmp_path / "self_test.json")
    assert (kept.subject, kept.reason) == ("s3", "sees nothing")


def test_on_self_test_failure_report_only_says_so(tmp_path: Path) -> None:
    self_test = ScriptedSelfTest("sees nothing")
    harness = StationHarness(
        1, monitor=monitor(tmp_path, self_test, on_self_test_failure="report", every_ns=0)
    )
    harness.run()
    assert told(harness)[0] == ("s1", False, "sees nothing", 1, 0)
    assert told(harness)[-1] == (1, P, "scripted")


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
    assert told(harness) == [
        ("s1", False, reason, 1, 0),
        ("s2", True, "", 1, 0),
        (1, U, f"self-test failed, s1: {reason}"),
    ]


def test_what_was_right_about_nothing_does_not_vouch_for_parts(tmp_path: Path) -> None:
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


def test_without_an_interval_they_run_at_the_start_only(tmp_path: Path) -> None:
    self_test = ScriptedSelfTest()
    StationHarness(3, monitor=monitor(tmp_path, self_test, every_ns=0)).run()
    assert len(self_test.threads) == 2


def test_a_self_test_that_a_part_would_have_to_wait_for_too_long_does_not_run(
    tmp_path: Path, caplog
) -> None:
    # 400 ms each: never within a budget of 300, however soon a verdict is.
    clock = SkippingClock()
    self_test = ScriptedSelfTest(during=lambda: clock.skip(400 * MS))
    harness = StationHarness(20, monitor=monitor(tmp_path, self_test, clock=clock))
    harness.run()
    assert len(self_test.threads) == 2
    assert [r.message.split()[0] for r in caplog.records if "self_test" in r.message] == [
        "self_test_starved"
    ]
    kept = read_self_test(tmp_path / "self_test.json")
    assert (kept.is_starved, kept.reason) == (True, "")


def test_a_part_that_comes_while_a_self_test_runs_has_its_verdict_in_time(tmp_path: Path) -> None:
    came = threading.Semaphore(0)
    caught: list[int] = []

    def during() -> None:
        """Every part comes in the middle of a self-test."""
        if threading.current_thread().name == "inspector" and len(caught) < 5:
            assert came.acquire(timeout=30)
            caught.append(len(harness.verdicts))

    self_test = ScriptedSelfTest(during=during)
    harness = StationHarness(5, monitor=monitor(tmp_path, self_test))
    announce = harness.rejector.announce
    harness.rejector.announce = lambda *part: (announce(*part), came.release())
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
    assert told(harness) == [
        (1, R, "scripted"),
        ("outfeed.mark/1",),
        ("part 1", True, "", 1, 1),
        (2, P, "scripted"),
        ("outfeed.mark/1",),
        ("part 2", False, "passed", 2, 2),
        (3, U, "self-test failed, part 2: passed"),
    ]
    assert summary.monitor == {"self-tests": 2, "self-tests failed": 1}


def marked(harness: StationHarness, number: int) -> bool:
    """Whoever put part number - 1 on the belt says so, once."""
    done = harness.__dict__.setdefault("done", set())
    if number - 1 in (1, 2) and number not in done:
        done.add(number)
        assert harness.station._put_mark(new_mark(number - 1, "self-test", ""), None, lambda: None)
    return True


def test_a_known_bad_part_without_a_verdict_proves_nothing(tmp_path: Path, caplog) -> None:
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
    eye = Dimming(build_inspector(bundle, now_ns=time.monotonic_ns), after=3)
    one = monitor(tmp_path, Sentinels(bundle, eye, GoldenLimits()))
    harness = StationHarness(3, monitor=one, camera={n: with_pixels(HOLE) for n in (1, 3)})
    harness.camera.script[2] = with_pixels(CLEAN)
    harness.inspector.inspect = eye.inspect
    gate = threading.Event()
    is_due = one.is_self_test_due
    one.is_self_test_due = lambda: len(harness.verdicts) >= 1 and is_due()
    harness.trigger.gate = lambda n: n == 1 or (one.doubt() and len(harness.verdicts) >= n - 1)
    assert not gate.is_set()
    harness.run()
    (first, second, third) = harness.journal.decisions()
    assert first[:2] == (1, R)
    # The hole of part 3 is not seen any more, and it does not pass all the same.
    assert [each[:2] for each in (second, third)] == [(2, U), (3, U)]
    assert second[2].startswith("self-test failed, golden/")
    assert "detect: severity 0.00" in second[2]


def with_pixels(pixels):
    return lambda frame: replace(frame, pixels=pixels)


# Drift.

LEARN = 200


def drifting(folder: Path, **given) -> DriftDetector:
    rules = DriftRules(
        **{"subject": "b1", "learn_parts": LEARN, "budget": FalseAlarmRate(1.0, 1e4), **given}
    )
    return DriftDetector(rules, folder / "drift.json", None)


def surface(number: int, grey: float = 100.0) -> np.ndarray:
    rng = np.random.default_rng(number)
    return np.clip(rng.normal(grey, 8, (64, 64)), 0, 255).astype(np.uint8)


def feed(one: DriftDetector, parts: range, grey: float = 100.0, decision=P) -> list:
    said = []
    for number in parts:
        frame = Frame(number, number, number * 100 * MS, number * 100 * MS, surface(number, grey))
        said += one.measure(frame, Verdict(number, decision, "", (), 1.0, None))
    return said


def test_a_baseline_is_learned_kept_and_used_again(tmp_path: Path) -> None:
    one = drifting(tmp_path)
    one.load()
    assert feed(one, range(1, 64 + LEARN)) == []
    assert one.is_learning
    assert feed(one, range(64 + LEARN, 66 + LEARN)) == []
    assert not one.is_learning
    again = drifting(tmp_path)
    again.load()
    assert not again.is_learning
    (alarm,) = feed(again, range(1000, 1020), grey=70)
    assert (alarm.measure, alarm.raised) == ("exposure", True)
    assert list(again.active) == ["exposure"]
    # A restart forgets what was raised, and finds it again.
    third = drifting(tmp_path)
    third.load()
    assert third.active == {}
    assert [one.measure for one in feed(third, range(2000, 2020), grey=70)] == ["exposure"]


def test_only_parts_that_pass_are_learned_from(tmp_path: Path) -> None:
    one = drifting(tmp_path)
    feed(one, range(1, 500), decision=R)
    assert one.is_learning
    feed(one, range(500, 500 + 64 + LEARN))
    assert not one.is_learning
    # All are watched: where everything is rejected, that is when one wants to know.
    assert [a.measure for a in feed(one, range(2000, 2020), grey=70, decision=R)] == ["exposure"]


def test_another_bundle_is_learned_anew(tmp_path: Path, caplog) -> None:
    feed(drifting(tmp_path), range(1, 66 + LEARN))
    other = drifting(tmp_path, subject="b2")
    with caplog.at_level("INFO"):
        other.load()
    assert other.is_learning
    assert next(r.message for r in caplog.records) == (
        "drift_learns_anew reason=another bundle or commissioning"
    )


def test_a_damaged_file_is_learned_anew(tmp_path: Path, caplog) -> None:
    (tmp_path / "drift.json").write_text("{}")
    one = drifting(tmp_path)
    one.load()
    assert one.is_learning
    assert caplog.records[0].message.startswith("drift_learns_anew reason=")


def test_a_disk_that_refuses_is_one_line(tmp_path: Path, caplog) -> None:
    one = drifting(tmp_path / "gone")
    feed(one, range(1, 66 + LEARN))
    said = feed(one, range(1000, 1020), grey=70)
    assert [alarm.raised for alarm in said] == [True]
    refused = [r for r in caplog.records if r.message.startswith("drift_not_kept")]
    assert len(refused) == 1


class ScriptedDrifting:
    """Says for the n-th measured part what the script has."""

    def __init__(self, script: dict[int, list]) -> None:
        self.script, self.parts, self.active, self.gate = script, [], {}, threading.Event()
        self.gate.set()

    def load(self) -> None:
        pass

    def measure(self, frame: Frame, verdict: Verdict) -> list:
        assert self.gate.wait(30)
        self.parts.append((frame.part_id, verdict.decision))
        said = self.script.get(len(self.parts), [])
        if isinstance(said, Exception):
            raise said
        for alarm in said:
            self.active = {alarm.measure: alarm} if alarm.raised else {}
        return said


def alarms():
    from edge.drift import Alarm

    severe = Alarm("focus", True, "severe", "sharpness", "fine by coarse", 0.1, 0.4, 2, 2, None)
    return severe, replace(severe, raised=False, value=0.4, part=4)


def in_step(harness: StationHarness, eye: ScriptedDrifting) -> None:
    """The next part comes when the one before was measured."""
    harness.trigger.gate = lambda n: len(eye.parts) >= n - 1


@pytest.mark.parametrize("on_drift", ["report", "unknown"])
def test_a_severe_drift_is_journalled_and_where_asked_for_no_part_passes(
    tmp_path: Path, on_drift
) -> None:
    severe, back = alarms()
    eye = ScriptedDrifting({2: [severe], 4: [back]})
    harness = StationHarness(5, monitor=monitor(tmp_path, None, eye, every=1, on_drift=on_drift))
    harness.trigger.gate = lambda n: (
        len(eye.parts) >= n - 1 and (harness.station._monitor._counts["measured"] == n - 1)
    )
    summary = harness.run()
    events = [event for event in harness.journal.events if event.type == "outfeed.drift/1"]
    assert [(e.state, e.severity, e.measure, e.value, e.expected, e.part_id) for e in events] == [
        ("raised", "severe", "focus", 0.1, 0.4, 2),
        ("cleared", "severe", "focus", 0.4, 0.4, 4),
    ]
    decisions = [decision for _, decision, _ in harness.journal.decisions()]
    if on_drift == "report":
        assert decisions == [P] * 5
    else:
        assert decisions[:2] == [P, P]
        assert decisions[2:4] == [U, U]
        assert decisions[4] == P
        reason = harness.journal.decisions()[2][2]
        assert reason.startswith(
            "drift of focus: sharpness 0.1 (fine by coarse), expected 0.4, since part 2"
        )
    # What the chain said of them is measured, not what became of it.
    assert eye.parts[:4] == [(n, P) for n in range(1, 5)]  # the last one may find the end
    assert summary.monitor["drift of focus"] == 1


def test_a_mild_drift_lets_parts_pass(tmp_path: Path) -> None:
    severe, _ = alarms()
    eye = ScriptedDrifting({1: [replace(severe, grade="mild")]})
    harness = StationHarness(2, monitor=monitor(tmp_path, None, eye, every=1, on_drift="unknown"))
    in_step(harness, eye)
    harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P, P]
    assert harness.station._monitor.status == "drift of focus"


def test_one_part_in_so_many_is_measured(tmp_path: Path) -> None:
    eye = ScriptedDrifting({})
    harness = StationHarness(9, monitor=monitor(tmp_path, None, eye, every=3))
    harness.trigger.gate = lambda n: (
        len(harness.verdicts) >= n - 1 and len(eye.parts) >= (n - 1) // 3
    )
    harness.run()
    assert [part for part, _ in eye.parts][:2] == [3, 6]


def test_a_monitor_that_hangs_delays_no_part_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    eye = ScriptedDrifting({})
    eye.gate.clear()
    harness = StationHarness(20, monitor=monitor(tmp_path, None, eye, every=1))
    close = harness.station._monitor.close
    harness.station._monitor.close = lambda timeout_s: (eye.gate.set(), close(timeout_s))
    summary = harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P] * 20
    assert summary.monitor["too busy"] == 18  # one is being measured, one waits


def test_a_bug_in_measuring_is_a_line_in_the_log_and_no_more(tmp_path: Path, caplog) -> None:
    eye = ScriptedDrifting({1: ZeroDivisionError("oh")})
    harness = StationHarness(3, monitor=monitor(tmp_path, None, eye, every=1))
    in_step(harness, eye)
    harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P] * 3
    assert [r.message for r in caplog.records] == ["part_failed part=1"]


def test_the_status_names_what_is_wrong(tmp_path: Path) -> None:
    one = monitor(tmp_path, ScriptedSelfTest("sees nothing"), ScriptedDrifting({}), every_ns=0)
    assert one.status == ""
    harness = StationHarness(0, monitor=one)
    harness.run()
    assert harness.station._status().endswith("0 events lost; SELF-TEST FAILED, s1: sees nothing")
