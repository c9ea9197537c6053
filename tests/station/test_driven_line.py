"""A belt with a variable speed and a real rejector: each pulse hits the part that it must hit."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.clock import MonotonicClock
from edge.devices.camera_files import FilesCamera
from edge.devices.output_simulated import pulses, read_record
from edge.events.event import ActuationEvent, Event, PartEvent
from edge.events.identity import parse_payload
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal
from edge.line.outcome import Action, Cause
from edge.line.part import LineTiming
from edge.line.tracker import CountRules, EyeRules
from edge.records import Decision, Verdict
from edge.rejector.client import RejectorClient
from edge.rejector.hardware import SimulatedEncoderSpec, SimulatedEyeSpec
from edge.rejector.messages import Actuated
from edge.rejector.options import CountTracking, EjectorEye, RejectorOptions
from edge.sim.driven_belt import BeltPlan, DrivenBelt
from edge.sim.motion import Drive, DrivenMotion
from edge.station import (
    Station,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
    Summary,
)

CLOCK = MonotonicClock()
MS = 1_000_000
PARTS = 40


class BrightnessInspector:
    """Rejects dark parts."""

    def inspect(self, frame) -> Verdict:
        decision = Decision.REJECT if frame.pixels.mean() < 100 else Decision.PASS
        return Verdict(frame.part_id, decision, "brightness", (), 0.0, None)


@dataclass
class LineResult:
    """The history of a run: ``parts`` maps part numbers of the station to numbers on the belt."""

    summary: Summary
    parts: dict[int, int]
    hits: list[list[int]]
    reports: list[Actuated]
    events: list[Event]


class DrivenLine:
    """A station on a driven belt with a real rejector process and a journal."""

    def __init__(self, folder: Path, *, survives: bool, eye: bool, during, **moves: float) -> None:
        self.folder, self.during = folder, during
        self.drive = Drive(CLOCK.now_ns() + 3_000 * MS, 1_000, **moves)
        self.plan = BeltPlan(
            *(self.drive, 90, 20, 400, 80 if eye else 0),
            parts=PARTS,
            jitter=0.2,
            taken=0.15 if eye else 0.0,
            added=0.15 if eye else 0.0,
            seed=4,
        )
        self.belt = DrivenBelt(self.plan, clock=CLOCK)
        self.client = RejectorClient(self._options(survives=survives, eye=eye), clock=CLOCK)
        self.verdicts: list[Verdict] = []
        self.reports: list[Actuated] = []

    def run(self) -> LineResult:
        """Run until the last part. Return what happened to each part."""
        journal = Journal.open(
            self.folder / "journal.sqlite",
            station="s1",
            max_bytes=64 << 20,
            cursor_path=self.folder / "uplink.json",
        )
        camera = FilesCamera(self.folder / "in", clock=CLOCK, loop=True)
        station = Station(
            StationSettings("s1", "b1", LineTiming(None, 200 * MS, debounce_ns=2 * MS)),
            StationDevices(self.belt, camera, self.client, CLOCK),
            StationServices(BrightnessInspector(), journal),
            listeners=StationListeners(self._on_verdict, self.reports.append),
        )
        summary = station.run()
        with JournalReader(self.folder / "journal.sqlite") as reader:
            events = [parse_payload(stored.payload)[1] for stored in reader.read(None, 10_000)]
        hits = self.belt.hits(pulses(read_record(self.folder / "edges")))
        return LineResult(summary, self._parts(events), hits, self.reports, events)

    def _options(self, *, survives: bool, eye: bool) -> RejectorOptions:
        return RejectorOptions(
            pulse_us=25_000,
            record=self.folder / "edges",
            spacing=60,
            counts=CountTracking(
                CountRules(400, debounce=30),
                SimulatedEncoderSpec(self.drive, survives=survives),
                max_counts_per_s=1_600,
                purge_at_start=False,
            ),
            ejector_eye=EjectorEye(EyeRules(80, 10), SimulatedEyeSpec(self.plan)) if eye else None,
        )

    def _on_verdict(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        if not any(edge.active for edge in read_record(self.folder / "edges")[-1:]):
            self.during(self.client, self.verdicts)

    def _parts(self, events: list[Event]) -> dict[int, int]:
        motion = DrivenMotion(self.drive)
        numbers = {part.place: part.number for part in self.belt.history}
        # A verdict may be faster than the rejector's report that the edge began no part.
        no_part = {r.part_id for r in self.reports if r.action is Action.NO_PART}
        return {
            event.part_id: numbers[motion.count_at(event.triggered_ns)]
            for event in events
            if isinstance(event, PartEvent) and event.part_id not in no_part
        }


@pytest.fixture
def line(tmp_path):
    """Return a function that runs a line and returns its LineResult."""
    (tmp_path / "in").mkdir()
    for number in range(7):
        level = 40 if number in (2, 3) else 200
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), np.full((8, 8), level, np.uint8))

    def run(
        *, survives=True, eye=False, during=lambda client, verdicts: None, **moves
    ) -> LineResult:
        return DrivenLine(tmp_path, survives=survives, eye=eye, during=during, **moves).run()

    return run


def ejected(result: LineResult) -> list[int]:
    """Return the numbers on the belt of the parts that the rejector reported as ejected."""
    parts = result.parts
    return [
        parts[report.part_id]
        for report in result.reports
        if report.action is Action.EJECTED and report.part_id in parts
    ]


def actuations(result: LineResult) -> dict[int, tuple[str, str]]:
    """Return action and cause of the actuation events by part."""
    return {
        event.part_id: (event.action.value, event.cause.value)
        for event in result.events
        if isinstance(event, ActuationEvent)
    }


def test_only_bad_parts_are_hit_although_the_belt_stops_and_runs_backward(line):
    result = line(variation=0.5, stops=0.15, reversals=0.2, seed=10)
    summary, parts = result.summary, result.parts
    assert sorted(parts.values()) == list(range(1, PARTS + 1))
    assert summary.causes["backward"] > 0
    assert summary.causes["seen_again"] > 0
    wanted = [
        parts[event.part_id]
        for event in result.events
        if isinstance(event, PartEvent) and event.part_id in parts
        if event.decision is not Decision.PASS
    ]
    assert len(wanted) > 8
    # No two parts are close to one another here, so none is ejected with another.
    assert sorted(number for hit in result.hits for number in hit) == sorted(wanted)
    assert sorted(ejected(result)) == sorted(wanted)
    assert (summary.missed, summary.rejector_restarts, summary.events_lost) == (0, 0, 0)
    assert summary.rejector.announced == PARTS
    events = actuations(result)
    assert set(events) == {r.part_id for r in result.reports if r.action is not Action.PASSED}
    assert {("ejected", "verdict"), ("no_part", "backward"), ("no_part", "seen_again")} <= set(
        events.values()
    )
    # Every edge has an event, so a later run never uses a part number of this run.
    assert max(*parts, *events) <= len(result.events)


def kill_at(number: int):
    """Return a callback that kills the rejector once, between two pulses.

    During a pulse the record would show an active output until the next process begins. A real line
    is released at once.
    """
    killed = []

    def during(client, verdicts) -> None:
        if len(verdicts) >= number and not killed and client.pid is not None:
            killed.append(client.pid)
            os.kill(client.pid, signal.SIGKILL)

    return during


@pytest.mark.parametrize("survives", [True, False])
def test_after_a_kill_of_the_rejector_every_hit_part_is_reported_as_ejected(line, survives):
    result = line(survives=survives, variation=0.3, seed=1, during=kill_at(15))
    summary, reports = result.summary, result.reports
    assert summary.rejector_restarts == 1
    by_part = {r.part_id: r for r in reports}
    assert len(by_part) == len(reports) >= PARTS
    assert {number for hit in result.hits for number in hit} <= set(ejected(result))
    lost = [r for r in reports if r.cause is Cause.POSITION_LOST]
    # Part 13 had its place long before the kill. Parts seen during the restart have none.
    assert any(r.part_id <= 13 for r in lost) != survives
    assert summary.causes.get("position_lost", 0) == len(lost)


def test_removed_parts_are_absent_and_added_parts_are_unannounced(line):
    result = line(eye=True, variation=0.3, seed=3)
    assert result.summary.causes["absent"] > 0
    assert result.summary.causes["unannounced"] > 0
    outcomes = {
        (event.action.value, event.cause.value)
        for event in result.events
        if isinstance(event, ActuationEvent)
    }
    assert ("ejected", "unannounced") in outcomes
    assert ("passed", "absent") in outcomes
    hit = {number for numbers in result.hits for number in numbers}
    assert hit - {0} <= set(ejected(result))
    assert 0 in hit
