"""The simulated belt that varies its speed: what its two eyes see, and whom a pulse hits."""

from dataclasses import replace

import pytest

from edge.devices.output import Pulse
from edge.devices.trigger import EndOfParts
from edge.errors import DeviceError
from edge.sim.driven_belt import BeltPlan, DrivenBelt, PlacedPart
from edge.sim.motion import Drive, DrivenMotion
from tests.devices.clocks import FakeClock

MS = 1_000_000
BEGAN_NS = 1_000 * MS
PLAN = BeltPlan(Drive(BEGAN_NS, 1_000), 100, 20, 300, 60, parts=4)


def edges(plan: BeltPlan, *, ejector: bool = False) -> list[int]:
    belt, found = DrivenBelt(plan, clock=FakeClock(), ejector=ejector), []
    try:
        while True:
            if (edge := belt.wait(5.0)) is not None:
                found.append(edge.at_ns)
    except EndOfParts:
        return found


def test_parts_come_to_the_photo_eye_and_later_to_the_ejectors_eye():
    # At 1,000 counts a second a count is a millisecond, and a change is where it is reached.
    assert edges(PLAN) == [BEGAN_NS + n * MS for n in (100, 200, 300, 400)]
    assert edges(PLAN, ejector=True) == [BEGAN_NS + n * MS for n in (340, 440, 540, 640)]


def test_taken_parts_are_not_seen_at_the_ejector_and_added_ones_are_seen_there_only():
    plan = replace(PLAN, taken=0.5, added=0.5, seed=6)
    belt = DrivenBelt(plan, clock=FakeClock())
    while len(belt.history) < 6:
        belt.wait(5.0)
    assert belt.history[:5] == [
        PlacedPart(1, 100, False),
        PlacedPart(0, 150, False),
        PlacedPart(2, 200, True),
        PlacedPart(3, 300, False),
        PlacedPart(0, 350, False),
    ]
    assert edges(plan) == edges(PLAN)
    seen = [BEGAN_NS + (part.place + 240) * MS for part in belt.history if not part.taken]
    assert edges(plan, ejector=True) == seen


def test_a_belt_that_backs_up_shows_its_parts_again():
    plan = replace(PLAN, drive=replace(PLAN.drive, reversals=0.3, seed=2), parts=40)
    motion, found = DrivenMotion(plan.drive), edges(plan)
    assert len(found) > 40
    for at_ns in found:
        count, before = motion.count_at(at_ns), motion.count_at(at_ns - 1)
        assert (count % 100 == 0) if count > before else (before % 100 == 20)


def test_the_same_plan_is_the_same_belt():
    plan = replace(PLAN, jitter=0.4, parts=50)
    assert edges(plan) == edges(plan) != edges(replace(plan, seed=1))


def test_a_pulse_hits_each_part_in_front_of_the_ejector_once():
    belt = DrivenBelt(PLAN, clock=FakeClock())
    while len(belt.history) < 4:
        belt.wait(5.0)
    # Parts are in front of the ejector from 400, 500, 600, 700 for 20 counts.
    pulses = [(380, 20), (390, 11), (400, 30), (519, 1), (520, 10), (590, 125)]
    found = belt.hits(Pulse(BEGAN_NS + at * MS, width * 1_000) for at, width in pulses)
    assert found == [[], [1], [], [2], [], [3, 4]]


def test_close_twice_then_wait_is_a_device_error():
    belt = DrivenBelt(PLAN, clock=FakeClock())
    belt.close()
    belt.close()
    with pytest.raises(DeviceError, match="after close"):
        belt.wait(0.1)
