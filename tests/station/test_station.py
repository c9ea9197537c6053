"""The station as a whole: whole histories of verdicts, orders and events, from scripted parts."""

import threading
from collections.abc import Callable

import pytest

from edge.devices.camera import EndOfFrames
from edge.errors import DeviceError, FrameError
from edge.line.outcome import Action, Cause
from edge.line.part import LineTiming
from edge.records import Frame, Verdict
from edge.rejector.messages import Actuated
from tests.support.station import (
    CLOCK,
    MS,
    TIMING,
    P,
    R,
    RecordedRejector,
    StationHarness,
    U,
    raises,
)


def test_a_part_is_announced_captured_inspected_resolved_and_journalled():
    harness = StationHarness(3, inspector={2: lambda: R})
    summary = harness.run()
    assert harness.rejector.orders == [
        ("announce", 1),
        ("resolve", 1, False),
        ("announce", 2),
        ("resolve", 2, True),
        ("announce", 3),
        ("resolve", 3, False),
        ("close",),
    ]
    assert harness.journal.decisions() == [
        (1, P, "scripted"),
        (2, R, "scripted"),
        (3, P, "scripted"),
    ]
    assert (summary.parts, summary.passed, summary.rejected, summary.unknown) == (3, 2, 1, 0)
    assert list(summary.stages) == [
        *("announce", "capture", "wait"),
        *("inspect", "verdict", "detect", "filter", "components", "classify", "decide"),
    ]
    assert all(stage.count == 3 for stage in summary.stages.values())


def test_events_carry_station_bundle_and_the_moment_of_the_trigger():
    harness = StationHarness(1)
    before_ns = CLOCK.now_ns()
    harness.run()
    (event,) = harness.journal.events
    assert (event.station, event.bundle, event.part_id) == ("s1", "b1", 1)
    assert before_ns <= event.triggered_ns <= CLOCK.now_ns()


def test_the_part_is_announced_before_the_camera_is_asked():
    asked = []
    harness = StationHarness(
        1, camera={1: lambda frame: asked.append(list(harness.rejector.orders)) or frame}
    )
    harness.run()
    assert asked == [[("announce", 1)]]


def test_a_stuck_inspector_yields_unknown_at_the_budget_and_its_verdict_is_dropped():
    let_go = threading.Event()
    harness = StationHarness(2, inspector={1: lambda: let_go.wait(30) and P})
    harness.trigger.gate = lambda n: n == 1 or bool(harness.verdicts)
    harness.on_verdict = lambda verdict: (harness.verdicts.append(verdict), let_go.set())
    summary = harness.run()
    (first, decision, reason), second = harness.journal.decisions()
    assert (first, decision) == (1, U)
    took_ms = float(reason.removeprefix("late: ").removesuffix(" ms, budget 300 ms"))
    assert took_ms >= 300
    assert second == (2, P, "scripted")
    assert ("resolve", 1, False) not in harness.rejector.orders
    assert (summary.late, summary.unknown, summary.parts) == (1, 1, 2)


def test_a_part_late_before_it_is_inspected_is_captured_but_not_inspected():
    let_go = threading.Event()
    harness = StationHarness(3, inspector={1: lambda: let_go.wait(30) and P})
    harness.trigger.gate = lambda n: n < 3 or len(harness.verdicts) == 2
    harness.on_verdict = lambda verdict: (
        harness.verdicts.append(verdict),
        len(harness.verdicts) == 2 and let_go.set(),
    )
    harness.run()
    assert [decision for _, decision, _ in harness.journal.decisions()] == [U, U, P]
    assert harness.camera.seen == [1, 2, 3]
    assert harness.inspector.seen == [1, 3]


def test_a_stuck_camera_does_not_keep_parts_from_being_announced_and_decided():
    let_go = threading.Event()
    harness = StationHarness(3, camera={1: lambda frame: (let_go.wait(30), frame)[1]})
    harness.trigger.gate = lambda n: True
    harness.on_verdict = lambda verdict: (
        harness.verdicts.append(verdict),
        len(harness.verdicts) == 3 and let_go.set(),
    )
    harness.run()
    assert harness.rejector.orders == [*(("announce", n) for n in (1, 2, 3)), ("close",)]
    assert [decision for _, decision, _ in harness.journal.decisions()] == [U, U, U]


def test_a_full_queue_is_overload_at_once():
    let_go = threading.Event()
    harness = StationHarness(30, inspector={1: lambda: let_go.wait(30) and P})
    harness.trigger.gate = lambda n: n == 1 or harness.inspector.seen == [1]
    harness.on_verdict = lambda verdict: (
        harness.verdicts.append(verdict),
        len(harness.verdicts) == 30 - 9 and let_go.set(),
    )
    summary = harness.run()
    assert summary.parts == 30
    # One is with the inspector, four wait for it; one is with the camera, at most four wait for it.
    assert 20 <= summary.overload <= 25
    assert summary.unknown >= summary.overload
    assert {reason for _, _, reason in harness.journal.decisions()} >= {"overload"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FrameError("a/b.png: is cut short"), "a/b.png: is cut short"),
        (DeviceError("camera: unplugged"), "camera: unplugged"),
    ],
)
def test_a_frame_that_cannot_be_had_makes_its_part_unknown_and_says_why(error, reason):
    harness = StationHarness(2, camera={1: raises(error)})
    harness.run()
    assert harness.journal.decisions() == [(1, U, reason), (2, P, "scripted")]


def test_a_bug_in_the_chain_makes_its_part_unknown_with_a_traceback_in_the_log(caplog):
    harness = StationHarness(2, inspector={1: raises(ZeroDivisionError("oh"))})
    harness.run()
    assert harness.journal.decisions() == [
        (1, U, "internal error: ZeroDivisionError: oh"),
        (2, P, "scripted"),
    ]
    (record,) = [record for record in caplog.records if record.message == "part_failed part=1"]
    assert record.exc_info is not None


def changed(**values: int) -> Callable[[Frame], Frame]:
    def do(frame: Frame) -> Frame:
        kept = ("part_id", "sequence", "triggered_ns", "exposed_ns")
        now = {name: values.get(name, getattr(frame, name)) for name in kept}
        if "early_ns" in values:
            now["exposed_ns"] = frame.triggered_ns - values["early_ns"]
        return Frame(**now, pixels=frame.pixels)

    return do


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        # A minute: before the part ahead of it, too, however slow the machine is.
        ({"early_ns": 60_000_000_000}, "frame refused: exposed 60000.0 ms before its trigger"),
        ({"sequence": 1}, "frame refused: sequence 1 again, last was 1"),
        ({"part_id": 1}, "frame refused: of part 1, expected 2"),
    ],
)
def test_a_frame_that_is_not_of_this_part_is_refused(change, reason):
    harness = StationHarness(3, camera={2: changed(**change)})
    harness.run()
    expected = [(1, P, "scripted"), (2, U, reason), (3, P, "scripted")]
    assert harness.journal.decisions() == expected
    assert harness.inspector.seen == [1, 3]


def test_a_verdict_on_another_part_is_refused():
    harness = StationHarness(1)
    harness.inspector.inspect = lambda frame: Verdict(9, R, "mixed up", (), 0.0, None)
    harness.run()
    assert harness.journal.decisions() == [(1, U, "verdict refused: of part 9, expected 1")]
    assert harness.rejector.orders == [("announce", 1), ("close",)]


def test_the_end_of_a_recording_ends_the_run_and_makes_no_part():
    harness = StationHarness(9, camera={3: raises(EndOfFrames())})
    harness.trigger.gate = lambda n: n <= 3 and len(harness.verdicts) >= n - 1
    summary = harness.run()
    assert summary.parts == 2
    assert [number for number, _, _ in harness.journal.decisions()] == [1, 2]
    assert harness.rejector.orders[-2:] == [("resolve", 3, False), ("close",)]


def test_stop_ends_a_line_without_end_and_every_part_has_its_verdict():
    harness = StationHarness(10**9, first_part_id=1000)
    stopper = threading.Timer(0.3, harness.station.stop)
    stopper.start()
    summary = harness.run()
    stopper.join()
    numbers = [number for number, _, _ in harness.journal.decisions()]
    assert numbers == list(range(1000, 1000 + summary.parts))
    assert summary.parts == harness.trigger.sent > 0


def test_bounces_are_no_parts():
    timing = LineTiming(TIMING.travel_ns, TIMING.budget_ns, debounce_ns=60_000 * MS)
    harness = StationHarness(5, timing=timing)
    harness.trigger.gate = lambda n: True
    summary = harness.run()
    assert (summary.parts, summary.bounces) == (1, 4)


def test_a_trigger_that_fails_ends_the_run_in_order_and_says_so():
    harness = StationHarness(1)
    harness.trigger.wait = raises(DeviceError("trigger: unplugged"))
    with pytest.raises(DeviceError, match="trigger: unplugged"):
        harness.run()
    assert harness.journal.closed
    assert harness.rejector.orders == [("close",)]


def test_a_rejector_that_does_not_start_means_no_part_is_let_in():
    harness = StationHarness(1, rejector=RecordedRejector(starts=False))
    with pytest.raises(DeviceError, match="cannot be started"):
        harness.run()
    assert (harness.trigger.sent, harness.journal.closed) == (0, True)


def test_actuations_are_counted_timed_and_journalled():
    ejected = Actuated(1, 1_000_000, 1_080_000, 20_000, Action.EJECTED, Cause.VERDICT)
    passed = Actuated(2, 1_000, 1_100, 0, Action.PASSED, Cause.VERDICT)
    missed = Actuated(3, 1_000, 1_000, 0, Action.MISSED, Cause.REJECTOR_DOWN)
    seen = []
    harness = StationHarness(1, on_actuated=seen.append)
    harness.camera.script[1] = lambda f: (
        [harness.rejector.report(r) for r in (ejected, passed, missed)] and f
    )
    summary = harness.run()
    assert seen == [ejected, passed, missed]
    assert (summary.ejected, summary.missed, summary.timing.max_us) == (1, 1, 80.0)
    events = [event for event in harness.journal.events if event.type == "outfeed.actuation/1"]
    assert [(e.part_id, e.width_us, e.error_us, e.action, e.cause) for e in events] == [
        (1, 20_000, 80.0, "ejected", "verdict"),
        (3, 0, 0.0, "missed", "rejector_down"),
    ]
