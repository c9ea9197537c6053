"""Drift in a station: the baseline, its file, alarms and their effect on verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.drift import Alarm, FalseAlarmRate
from edge.records import Frame, Verdict
from edge.station.monitor.drift import DriftDetector, DriftRules
from tests.support.monitors import ScriptedDrift, ScriptedSelfTest, monitor
from tests.support.station import MS, P, R, StationHarness, U

LEARN = 200


def drift_detector(folder: Path, **given) -> DriftDetector:
    rules = DriftRules(
        **{
            "subject": "b1",
            "learn_parts": LEARN,
            "false_alarm_rate": FalseAlarmRate(1.0, 1e4),
            **given,
        }
    )
    return DriftDetector(rules, folder / "drift.json", None)


def surface(number: int, grey: float = 100.0) -> np.ndarray:
    rng = np.random.default_rng(number)
    return np.clip(rng.normal(grey, 8, (64, 64)), 0, 255).astype(np.uint8)


def feed(one: DriftDetector, parts: range, grey: float = 100.0, decision=P) -> list:
    alarms = []
    for number in parts:
        frame = Frame(number, number, number * 100 * MS, number * 100 * MS, surface(number, grey))
        alarms += one.measure(frame, Verdict(number, decision, "", (), 1.0, None))
    return alarms


def test_a_baseline_is_learned_stored_and_loaded(tmp_path: Path) -> None:
    one = drift_detector(tmp_path)
    one.load()
    assert feed(one, range(1, 64 + LEARN)) == []
    assert one.is_learning
    assert feed(one, range(64 + LEARN, 66 + LEARN)) == []
    assert not one.is_learning
    again = drift_detector(tmp_path)
    again.load()
    assert not again.is_learning
    (alarm,) = feed(again, range(1000, 1020), grey=70)
    assert (alarm.measure, alarm.raised) == ("exposure", True)
    assert list(again.active) == ["exposure"]
    # A restart removes the alarms. The drift raises them again.
    third = drift_detector(tmp_path)
    third.load()
    assert third.active == {}
    assert [one.measure for one in feed(third, range(2000, 2020), grey=70)] == ["exposure"]


def test_the_baseline_contains_only_parts_that_passed(tmp_path: Path) -> None:
    one = drift_detector(tmp_path)
    feed(one, range(1, 500), decision=R)
    assert one.is_learning
    feed(one, range(500, 500 + 64 + LEARN))
    assert not one.is_learning
    # After that every part is measured, even if all are rejected.
    assert [a.measure for a in feed(one, range(2000, 2020), grey=70, decision=R)] == ["exposure"]


def test_another_bundle_gets_a_new_baseline(tmp_path: Path, caplog) -> None:
    feed(drift_detector(tmp_path), range(1, 66 + LEARN))
    other = drift_detector(tmp_path, subject="b2")
    with caplog.at_level("INFO"):
        other.load()
    assert other.is_learning
    assert next(r.message for r in caplog.records) == (
        "drift_learns_anew reason=another bundle or commissioning"
    )


def test_a_damaged_file_leads_to_a_new_baseline(tmp_path: Path, caplog) -> None:
    (tmp_path / "drift.json").write_text("{}")
    one = drift_detector(tmp_path)
    one.load()
    assert one.is_learning
    assert caplog.records[0].message.startswith("drift_learns_anew reason=")


def test_a_disk_that_refuses_is_one_line_in_the_log(tmp_path: Path, caplog) -> None:
    one = drift_detector(tmp_path / "gone")
    feed(one, range(1, 66 + LEARN))
    raised = feed(one, range(1000, 1020), grey=70)
    assert [alarm.raised for alarm in raised] == [True]
    refused = [r for r in caplog.records if r.message.startswith("drift_not_kept")]
    assert len(refused) == 1


def severe_and_cleared() -> tuple[Alarm, Alarm]:
    severe = Alarm("focus", True, "severe", "sharpness", "fine by coarse", 0.1, 0.4, 2, 2, None)
    return severe, replace(severe, raised=False, value=0.4, part=4)


def one_after_the_other(harness: StationHarness, detector: ScriptedDrift) -> None:
    """Let the next part arrive after the measurement of the part before."""
    harness.trigger.gate = lambda n: len(detector.parts) >= n - 1


@pytest.mark.parametrize("on_drift", ["report", "unknown"])
def test_a_severe_drift_is_journalled_and_with_unknown_no_part_passes(
    tmp_path: Path, on_drift
) -> None:
    severe, cleared = severe_and_cleared()
    detector = ScriptedDrift({2: [severe], 4: [cleared]})
    harness = StationHarness(
        5, monitor=monitor(tmp_path, None, detector, every=1, on_drift=on_drift)
    )
    harness.trigger.gate = lambda n: (
        len(detector.parts) >= n - 1
        and (harness.station._monitor.counts.get("measured", 0) == n - 1)
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
    # The chain's verdict is measured, not the final verdict.
    assert detector.parts[:4] == [(n, P) for n in range(1, 5)]  # the last one may find the end
    assert summary.monitor["drift of focus"] == 1


def test_a_mild_drift_lets_parts_pass(tmp_path: Path) -> None:
    severe, _ = severe_and_cleared()
    detector = ScriptedDrift({1: [replace(severe, grade="mild")]})
    harness = StationHarness(
        2, monitor=monitor(tmp_path, None, detector, every=1, on_drift="unknown")
    )
    one_after_the_other(harness, detector)
    harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P, P]
    assert harness.station._monitor.status == "drift of focus"


def test_every_third_part_is_measured(tmp_path: Path) -> None:
    detector = ScriptedDrift({})
    harness = StationHarness(9, monitor=monitor(tmp_path, None, detector, every=3))
    harness.trigger.gate = lambda n: (
        len(harness.verdicts) >= n - 1 and len(detector.parts) >= (n - 1) // 3
    )
    harness.run()
    assert [part for part, _ in detector.parts][:2] == [3, 6]


def test_a_monitor_that_hangs_delays_no_part_and_counts_skipped_parts(tmp_path: Path) -> None:
    detector = ScriptedDrift({})
    detector.gate.clear()
    harness = StationHarness(20, monitor=monitor(tmp_path, None, detector, every=1))
    close = harness.station._monitor.close
    harness.station._monitor.close = lambda timeout_s: (detector.gate.set(), close(timeout_s))
    summary = harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P] * 20
    assert summary.monitor["too busy"] == 18  # one is being measured, one waits


def test_a_bug_in_the_measurement_is_one_line_in_the_log(tmp_path: Path, caplog) -> None:
    detector = ScriptedDrift({1: ZeroDivisionError("oh")})
    harness = StationHarness(3, monitor=monitor(tmp_path, None, detector, every=1))
    one_after_the_other(harness, detector)
    harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [P] * 3
    assert [r.message for r in caplog.records] == ["part_failed part=1"]


def test_the_status_names_the_fault(tmp_path: Path) -> None:
    one = monitor(tmp_path, ScriptedSelfTest("sees nothing"), ScriptedDrift({}), every_ns=0)
    assert one.status == ""
    harness = StationHarness(0, monitor=one)
    harness.run()
    assert harness.station._status().endswith("0 events lost; SELF-TEST FAILED, s1: sees nothing")
