"""The real process with a simulated encoder and ejector eye: places, kills, and belts that stop."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.clock import MonotonicClock
from edge.devices.output_simulated import pulses, read_record
from edge.line.tracker import CountRules, EyeRules
from edge.rejector.client import RejectorClient
from edge.rejector.hardware import SimulatedEncoderSpec, SimulatedEyeSpec
from edge.rejector.messages import Actuated
from edge.rejector.options import CountTracking, EjectorEye, RejectorOptions
from edge.sim.driven_belt import BeltPlan
from edge.sim.motion import Drive, DrivenMotion

CLOCK = MonotonicClock()
MS = 1_000_000
SLACK_NS = 75 * MS  # the machine is shared
TRAVEL = 300  # counts, of 1,000 a second


def eventually(holds: Callable[[], bool], within_s: float = 15.0) -> None:
    limit = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < limit, "did not come true in time"
        time.sleep(0.005)


class Rejector:
    """A real one on a belt that starts when it is there."""

    def __init__(self, folder: Path, drive: Drive, *, survives: bool = True, **given) -> None:
        self.record = folder / f"edges{drive.began_ns}"
        self.motion = DrivenMotion(drive)
        counts = CountTracking(
            CountRules(TRAVEL, silent_edges=3),
            SimulatedEncoderSpec(drive, survives=survives),
            max_counts_per_s=1_000,
            purge_at_start=given.pop("purge_at_start", False),
        )
        if (plan := given.pop("plan", None)) is not None:
            rules, on_absent = EyeRules(60, 5), given.pop("on_absent")
            given["ejector_eye"] = EjectorEye(rules, SimulatedEyeSpec(plan), on_absent=on_absent)
        options = RejectorOptions(pulse_us=30_000, record=self.record, counts=counts, **given)
        self.client = RejectorClient(options, clock=CLOCK)
        self.reports: list[Actuated] = []
        self.client.start(self.reports.append)

    def fates(self) -> list[tuple[int, str, str]]:
        return [(r.part_id, r.action.name, r.cause.name) for r in self.reports]

    def moment_ns(self, count: int) -> int:
        began_ns = self.motion._drive.began_ns
        found = self.motion.first_at(count, began_ns, began_ns + 60_000 * MS)
        assert found is not None
        return found

    def see(self, part_id: int, count: int, eject: bool | None) -> None:
        """Announce the photo-eye's edge at this count at once, with its verdict."""
        CLOCK.sleep_until_ns(self.moment_ns(count))
        self.client.sighted(part_id, self.moment_ns(count))
        if eject is not None:
            self.client.resolve(part_id, eject)


@pytest.fixture
def start(tmp_path):
    made = []

    def one(*, delay_ms: int = 1_500, moves=None, **given) -> Rejector:
        """One that is there before its belt begins to run, however busy the machine is."""
        while True:
            drive = Drive(CLOCK.now_ns() + delay_ms * MS, **(moves or {"counts_per_s": 1_000}))
            plan = given.get("plan")
            rejector = Rejector(
                tmp_path, drive, **(given if plan is None else {**given, "plan": plan(drive)})
            )
            made.append(rejector)
            if CLOCK.now_ns() < drive.began_ns or not delay_ms:
                return rejector
            rejector.client.close(3.0)
            delay_ms *= 2

    yield one
    for rejector in made:
        rejector.client._announced.clear()
        rejector.client.close(3.0)


def test_parts_are_ejected_where_the_belt_brings_them_however_fast_it_runs(start):
    rejector = start(moves={"counts_per_s": 600, "variation": 0.5, "stops": 0.2, "seed": 11})
    for number, eject in ((1, True), (2, False), (3, None), (4, True)):
        rejector.see(number, 100 * number, eject)
    counted = rejector.client.close(5.0)
    assert rejector.fates() == [
        (1, "EJECTED", "VERDICT"),
        (2, "PASSED", "VERDICT"),
        (3, "EJECTED", "UNKNOWN"),
        (4, "EJECTED", "VERDICT"),
    ]
    assert (counted.queue.announced, counted.queue.ejected, counted.unreported) == (4, 3, 0)
    due = {r.part_id: r.due_ns for r in rejector.reports}
    assert due == {n: rejector.moment_ns(100 * n + TRAVEL) for n in (1, 2, 3, 4)}
    began = [pulse.at_ns for pulse in pulses(read_record(rejector.record))]
    assert len(began) == 3
    for at_ns, number in zip(began, (1, 3, 4), strict=True):
        assert 0 <= at_ns - due[number] < SLACK_NS


def test_an_edge_of_a_part_that_is_known_is_no_part(start):
    rejector = start()
    rejector.see(1, 100, False)
    rejector.client.sighted(2, rejector.moment_ns(100) + 10)
    eventually(lambda: len(rejector.reports) == 2)
    assert rejector.fates() == [(2, "NO_PART", "SEEN_AGAIN"), (1, "PASSED", "VERDICT")]


def test_a_count_that_survives_the_process_goes_on_in_the_next(start):
    rejector = start(moves={"counts_per_s": 100})
    rejector.see(1, 20, False)
    rejector.see(2, 40, True)
    eventually(lambda: rejector.client._announced._parts[2].place is not None)
    first = rejector.client.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: rejector.client.pid not in (None, first))
    eventually(lambda: len(rejector.reports) == 2)
    assert rejector.fates() == [(1, "PASSED", "VERDICT"), (2, "EJECTED", "VERDICT")]
    assert rejector.reports[1].due_ns == rejector.moment_ns(40 + TRAVEL)


def test_a_count_that_is_lost_with_its_process_leaves_the_belt_unknown(start):
    rejector = start(survives=False)
    rejector.see(1, 20, False)
    eventually(lambda: rejector.client._announced._parts[1].place is not None)
    os.kill(rejector.client.pid, signal.SIGKILL)
    eventually(lambda: rejector.client.restarts == 1 and rejector.client.pid is not None)
    eventually(lambda: any(edge.active for edge in read_record(rejector.record)))
    eventually(lambda: not read_record(rejector.record)[-1].active)
    assert rejector.fates() == [(1, "EJECTED", "POSITION_LOST")]
    (pulse,) = pulses(read_record(rejector.record))
    # The whole travel, at 1,000 counts a second, and the pulse behind its end.
    assert 325_000 < pulse.width_us < 330_000 + 2 * SLACK_NS // 1_000
    assert rejector.client.close(5.0).queue.position_losses == 1


def test_what_is_on_the_belt_at_the_start_is_unknown(start):
    rejector = start(purge_at_start=True, delay_ms=0)
    eventually(lambda: len(pulses(read_record(rejector.record))) == 1)
    assert pulses(read_record(rejector.record))[0].width_us > 325_000


def test_a_dead_encoder_is_noticed_by_the_photo_eye(start):
    rejector = start(delay_ms=60_000)  # the belt stands, they say
    for number in range(1, 4):
        rejector.client.sighted(number, CLOCK.now_ns())
    eventually(lambda: len(rejector.reports) == 3)
    assert rejector.fates() == [
        (2, "NO_PART", "SEEN_AGAIN"),
        (1, "EJECTED", "POSITION_LOST"),
        (3, "EJECTED", "POSITION_LOST"),
    ]
    eventually(lambda: read_record(rejector.record)[-1:] != [])
    assert read_record(rejector.record)[-1].active


def test_a_goodbye_on_a_belt_that_stands_gives_its_parts_up(start):
    rejector = start(delay_ms=60_000)
    rejector.client.sighted(1, CLOCK.now_ns())
    rejector.client.sighted(2, CLOCK.now_ns())  # a bounce
    rejector.client.resolve(1, True)
    began_s = time.monotonic()
    assert rejector.client.close(5.0).queue.missed == 1
    assert 0.9 < time.monotonic() - began_s < 5
    assert rejector.fates() == [(2, "NO_PART", "SEEN_AGAIN"), (1, "MISSED", "REJECTOR_DOWN")]
    assert read_record(rejector.record) == []


@pytest.mark.parametrize(("on_absent", "fate"), [("eject", "EJECTED"), ("pass", "PASSED")])
def test_the_ejectors_eye_sees_who_comes(start, on_absent, fate):
    # Parts at 100, 200 and 300. With this seed the second is removed, and others are added at
    # 150 and 350.
    def plan(drive: Drive) -> BeltPlan:
        return BeltPlan(drive, 100, 20, TRAVEL, 60, parts=3, taken=0.5, added=0.5, seed=6)

    rejector = start(plan=plan, on_absent=on_absent)
    for number in (1, 2, 3):
        rejector.see(number, 100 * number, True)
    counted = rejector.client.close(5.0).queue
    assert rejector.fates()[:4] == [
        (1, "EJECTED", "VERDICT"),
        (0, "EJECTED", "UNANNOUNCED"),
        (2, fate, "ABSENT"),
        (3, "EJECTED", "VERDICT"),
    ]
    assert counted.absent == 1
