"""Belt, files, real rejector process and journal together: pulses hit whom they shall."""

import os
import signal

import cv2
import numpy as np
import pytest

from edge.clock import MonotonicClock
from edge.devices.camera_files import FilesCamera
from edge.devices.output_simulated import pulses, read_record
from edge.journal.writer import Journal
from edge.line.outcome import Action
from edge.line.part import LineTiming
from edge.records import Decision, Verdict
from edge.rejector.client import RejectorClient
from edge.rejector.options import RejectorOptions
from edge.sim.belt import BeltFaults, SimulatedBelt
from edge.station import (
    Station,
    StationDevices,
    StationListeners,
    StationServices,
    StationSettings,
)

CLOCK = MonotonicClock()
MS = 1_000_000
TRAVEL_NS = 400 * MS
PARTS = 45


class BrightnessInspector:
    """Rejects dark parts, and raises an exception for the parts in fails_on."""

    def __init__(self, fails_on: tuple[int, ...] = ()) -> None:
        self.fails_on = fails_on

    def inspect(self, frame) -> Verdict:
        if frame.part_id in self.fails_on:
            raise RuntimeError("scripted")
        bad = frame.pixels.mean() < 100
        decision = Decision.REJECT if bad else Decision.PASS
        return Verdict(frame.part_id, decision, "brightness", (), 0.0, None)


@pytest.fixture
def line(tmp_path):
    """run(...) → summary, the belt, the pulses of the output, the verdicts, the reports."""
    (tmp_path / "in").mkdir()
    for number in range(7):
        level = 40 if number in (2, 3) else 200
        cv2.imwrite(str(tmp_path / "in" / f"{number}.png"), np.full((8, 8), level, np.uint8))

    def run(*, fails_on=(), during=lambda client, verdicts: None, faults=BeltFaults()):  # noqa: B008
        journal = Journal.open(
            tmp_path / "journal.sqlite",
            station="s1",
            max_bytes=64 << 20,
            cursor_path=tmp_path / "uplink.json",
        )
        belt = SimulatedBelt(
            clock=CLOCK,
            rate_hz=12.5,
            travel_ns=TRAVEL_NS,
            parts=PARTS,
            jitter=0.2,
            part_ms=50,
            faults=faults,
        )
        options = RejectorOptions(pulse_us=40_000, record=tmp_path / "edges")
        client, verdicts, reports = RejectorClient(options, clock=CLOCK), [], []

        def on_verdict(verdict) -> None:
            verdicts.append(verdict)
            during(client, verdicts)

        camera = FilesCamera(tmp_path / "in", clock=CLOCK, loop=True)
        station = Station(
            StationSettings("s1", "b1", LineTiming(TRAVEL_NS, 300 * MS, debounce_ns=10 * MS)),
            StationDevices(belt, camera, client, CLOCK),
            StationServices(BrightnessInspector(fails_on), journal),
            listeners=StationListeners(on_verdict, reports.append),
        )
        summary = station.run()
        return summary, belt, pulses(read_record(tmp_path / "edges")), verdicts, reports

    return run


def test_every_bad_and_every_unknown_part_is_hit_and_no_other(line):
    summary, belt, made, verdicts, _ = line(
        fails_on=(11, 40), faults=BeltFaults(double=0.3, slip_ms=2)
    )
    assert summary.parts == PARTS
    assert summary.bounces > 3
    assert summary.rejector.overrun == 0
    wanted = sorted(v.part_id for v in verdicts if v.decision is not Decision.PASS)
    assert {11, 40} < set(wanted)
    struck = belt.hits(made)
    # Hits within the slip of the belt, by the number that belt and station agree on.
    assert [number for [number] in struck] == wanted
    assert summary.ejected == len(wanted)
    assert (summary.missed, summary.events_lost, summary.rejector_restarts) == (0, 0, 0)
    assert summary.timing.count == len(wanted)


def test_a_rejector_killed_in_the_middle_hits_no_wrong_part_and_nothing_is_hushed_up(line):
    def kill_once(client, verdicts) -> None:
        if len(verdicts) == 20 and client.pid is not None:
            os.kill(client.pid, signal.SIGKILL)

    summary, belt, made, verdicts, reports = line(during=kill_once)
    wanted = {v.part_id for v in verdicts if v.decision is not Decision.PASS}
    struck = {number for [number] in belt.hits(made)}
    missed = {r.part_id for r in reports if r.action is Action.MISSED}
    assert struck <= wanted
    assert wanted - struck <= missed
    assert sorted(r.part_id for r in reports) == list(range(1, PARTS + 1))
    assert summary.rejector_restarts == 1
    assert summary.missed == len(missed)
