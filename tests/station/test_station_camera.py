"""A station whose camera misbehaves: every part has its verdict, and what was wrong is counted."""

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from edge.clock import MonotonicClock
from edge.devices.camera_reopening import ReopeningCamera
from edge.devices.trigger import TriggerEdge
from edge.line.freshness import FreshnessRules
from edge.records import Decision, Verdict
from edge.sim.camera import CameraFault, SimulatedCamera, SimulatedSensor
from edge.station import (
    Station,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
)
from tests.support.station import (
    TIMING,
    RecordedJournal,
    RecordedRejector,
    ScriptedInspector,
    ScriptedTrigger,
)

CLOCK = MonotonicClock()
MS = 1_000_000
GAP_S = 0.03  # between a verdict and the next part: six frames of the sensor
P, U = Decision.PASS, Decision.UNKNOWN


class Line:
    """Parts one after the other, each some time after the verdict on the one before."""

    def __init__(self, parts: int, camera, *, each: Callable[[int], None] = lambda n: None) -> None:
        self.verdicts: list[Verdict] = []
        self.next_s = 0.0
        self.each = each
        self.rejector = RecordedRejector()
        self.trigger = ScriptedTrigger(parts, gate=self._gate)
        self.station = Station(
            StationSettings("s1", "b1", TIMING, FreshnessRules(live=True)),
            StationDevices(self.trigger, camera, self.rejector, CLOCK),
            StationServices(ScriptedInspector(), RecordedJournal()),
            listeners=StationListeners(self._verdict),
        )

    def _verdict(self, verdict: Verdict) -> None:
        self.next_s = time.monotonic() + GAP_S
        self.verdicts.append(verdict)
        self.each(verdict.part_id)

    def _gate(self, number: int) -> bool:
        return len(self.verdicts) >= number - 1 and time.monotonic() >= self.next_s

    def run(self):
        summary = self.station.run()
        assert [verdict.part_id for verdict in self.verdicts] == list(range(1, summary.parts + 1))
        return summary, [(one.decision, one.reason) for one in self.verdicts]


@pytest.mark.parametrize(
    ("fault", "counted", "said"),
    [
        (CameraFault.EARLY, "early", "before its trigger"),
        (CameraFault.LAGGING, "lagging", "after that of the part before"),
        (CameraFault.REPEATED, "repeated", "exposed when the last one was"),
        (CameraFault.FROZEN, "repeated", "every pixel as in the last one"),
        (CameraFault.DAMAGED, "no_frame", "damaged in transfer"),
        (CameraFault.SILENT, "no_camera", "gives no frame"),
    ],
)
def test_a_frame_that_is_not_its_parts_makes_that_part_unknown_and_no_other(fault, counted, said):
    sensor = SimulatedSensor(CLOCK)
    summary, judged = Line(5, SimulatedCamera(sensor, {3: fault})).run()
    assert [decision for decision, _ in judged] == [P, P, U, P, P]
    assert said in judged[2][1]
    assert {key: n for key, n in summary.refused.items() if n} == {counted: 1}
    assert sensor.opened == 0


def test_a_camera_that_lags_by_one_for_ever_passes_no_part():
    faults = dict.fromkeys(range(2, 8), CameraFault.LAGGING)
    summary, judged = Line(7, SimulatedCamera(SimulatedSensor(CLOCK), faults)).run()
    assert [decision for decision, _ in judged] == [P, *[U] * 6]
    assert summary.refused["lagging"] == 6


def test_a_frame_of_the_next_part_is_refused():
    # The camera's frame for part 2 begins ten frames late, when part 3 has been there for long.
    line = Line(4, SimulatedCamera(SimulatedSensor(CLOCK), {2: CameraFault.AHEAD}))
    line.trigger.gate = lambda n: time.monotonic() >= line.next_s if n == 3 else line._gate(n)
    summary = line.station.run()
    reasons = {one.part_id: (one.decision, one.reason) for one in line.verdicts}
    assert [reasons[n][0] for n in (1, 2, 4)] == [P, U, P]
    assert "after the next part's trigger" in reasons[2][1]
    assert summary.refused["ahead"] == 1


def test_an_unplugged_camera_makes_parts_unknown_and_comes_back_without_a_restart():
    sensor = SimulatedSensor(CLOCK)
    let_go = threading.Event()

    def wait(closing: threading.Event, pause_s: float) -> bool:
        return not let_go.wait(10) or closing.is_set()

    camera = ReopeningCamera(partial(SimulatedCamera, sensor), retry_max_s=1, wait=wait)

    def each(number: int) -> None:
        if number == 2:
            sensor.present = False
        if number == 5:
            sensor.present = True
            let_go.set()
            for thread in threading.enumerate():
                if thread.name == "camera-reopening":
                    thread.join(10)

    summary, judged = Line(8, camera, each=each).run()
    assert [decision for decision, _ in judged] == [P, P, U, U, U, P, P, P]
    assert [reason for _, reason in judged[2:5]] == [
        "camera_simulated: is unplugged",
        *["camera_simulated: is unplugged (lost; trying to open it again)"] * 2,
    ]
    assert {key: n for key, n in summary.refused.items() if n} == {"no_camera": 3}
    assert (camera.losses, sensor.opened) == (1, 0)


def test_edges_that_the_photo_eye_lost_are_counted():
    line = Line(3, SimulatedCamera(SimulatedSensor(CLOCK)))
    wait = line.trigger.wait

    def gappy(timeout_s: float) -> TriggerEdge | None:
        edge = wait(timeout_s)
        return edge and TriggerEdge(edge.sequence * 3, edge.at_ns)

    line.trigger.wait = gappy
    summary, _ = line.run()
    assert (summary.parts, summary.edges_lost) == (3, 6)
