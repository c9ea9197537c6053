"""The contract of all triggers, and what the simulated belt records besides."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from edge.devices.output import Pulse
from edge.devices.trigger import EndOfParts, Trigger
from edge.errors import DeviceError
from edge.sim.belt import BeltFaults, SimulatedBelt
from edge.sim.driven_belt import BeltPlan, DrivenBelt
from edge.sim.motion import Drive
from tests.devices import board
from tests.devices.clocks import MS, FakeClock
from tests.devices.triggers import TriggerRig, fake_gpio_trigger, sim_gpio_trigger


def belt(clock: FakeClock, **given) -> SimulatedBelt:
    return SimulatedBelt(
        **{"clock": clock, "rate_hz": 10, "travel_ns": 500 * MS, "parts": 5, **given}
    )


@dataclass
class BeltRig(TriggerRig):
    clock: FakeClock

    def pass_parts(self, count: int) -> list[tuple[int, int]]:
        assert self.trigger.wait(0) is None  # the belt begins to run
        began_ns = self.clock.ns
        self.clock.ns += count * 100 * MS
        return [(began_ns + n * 100 * MS,) * 2 for n in range(1, count + 1)]


def _belt(_: pytest.FixtureRequest) -> Iterator[TriggerRig]:
    clock = FakeClock()
    yield BeltRig(belt(clock), clock.now_ns, clock)


def _driven_belt(_: pytest.FixtureRequest) -> Iterator[TriggerRig]:
    """100 counts from part to part at 1,000 a second."""
    clock = FakeClock()
    plan = BeltPlan(Drive(clock.now_ns(), 1_000), 100, 20, 500, parts=5)
    yield BeltRig(DrivenBelt(plan, clock=clock), clock.now_ns, clock)


TRIGGERS: dict[str, Callable[[pytest.FixtureRequest], Iterator[TriggerRig]]] = {
    "belt": _belt,
    "driven belt": _driven_belt,
    "gpio": fake_gpio_trigger,
    "gpio-sim": sim_gpio_trigger,
    **board.triggers(),
}


@pytest.fixture(params=TRIGGERS)
def rig(request):
    for made in TRIGGERS[request.param](request):
        yield made
        made.trigger.close()


def test_edges_are_numbered_and_stamped_with_when_they_happened_not_when_they_are_read(rig):
    windows = rig.pass_parts(3)
    edges = [rig.trigger.wait(60.0) for _ in range(3)]
    assert [edge.sequence for edge in edges] == [1, 2, 3]
    for edge, (earliest_ns, latest_ns) in zip(edges, windows, strict=True):
        assert earliest_ns <= edge.at_ns <= latest_ns


def test_none_when_no_edge_comes_in_time_and_the_next_one_is_not_lost(rig):
    before_ns = rig.now_ns()
    assert rig.trigger.wait(0.04) is None
    assert rig.now_ns() - before_ns >= 40 * MS
    rig.pass_parts(1)
    assert rig.trigger.wait(60.0).sequence == 1


def test_close_twice_then_wait_is_a_device_error(rig):
    trigger: Trigger = rig.trigger
    trigger.close()
    trigger.close()
    with pytest.raises(DeviceError, match="after close"):
        trigger.wait(0.1)


def edges_of(made: SimulatedBelt) -> list[int]:
    found = []
    try:
        while True:
            if (edge := made.wait(10.0)) is not None:
                found.append(edge.at_ns)
    except EndOfParts:
        return found


def test_the_belt_ends_after_its_last_part():
    made = belt(FakeClock())
    assert edges_of(made) == [1_100 * MS + n * 100 * MS for n in range(5)]
    with pytest.raises(EndOfParts):
        made.wait(1.0)


def test_the_same_seed_is_the_same_belt_and_jitter_stays_in_its_bounds():
    one, same, other = (
        edges_of(belt(FakeClock(), parts=200, jitter=0.3, seed=seed)) for seed in (4, 4, 5)
    )
    assert one == same != other
    gaps = [after - before for before, after in itertools.pairwise(one)]
    assert 70 * MS <= min(gaps) < 80 * MS
    assert 120 * MS < max(gaps) <= 130 * MS


def test_a_missed_part_leaves_no_edge_and_a_double_one_leaves_two():
    blind = belt(FakeClock(), parts=1_000, faults=BeltFaults(missing=0.2))
    seen = edges_of(blind)
    assert seen == [part.eye_ns for part in blind.history if part.is_detected]
    assert 750 < len(seen) < 850
    twice = belt(FakeClock(), parts=3, faults=BeltFaults(double=1.0))
    assert edges_of(twice) == [n * MS for n in (1100, 1101, 1200, 1201, 1300, 1301)]


def test_slip_changes_when_a_part_is_at_the_ejector_and_not_when_it_is_seen():
    made = belt(FakeClock(), parts=50, faults=BeltFaults(slip_ms=3))
    assert edges_of(made) == [1_100 * MS + n * 100 * MS for n in range(50)]
    slips = [part.ejector_ns - part.eye_ns - 500 * MS for part in made.history]
    assert -3 * MS <= min(slips) < -2 * MS
    assert 2 * MS < max(slips) <= 3 * MS


def test_hits_names_the_parts_in_front_of_the_ejector():
    made = belt(FakeClock(), part_ms=5)
    edges_of(made)  # parts are at the ejector from 1600, 1700, 1800 ... for 5 ms
    cases = {
        (1600, 20): [1],
        (1604, 20): [1],
        (1605, 20): [],
        (1580, 20): [],
        (1590, 20): [1],
        (1690, 120): [2, 3],
        (2500, 20): [],
    }
    pulses = [Pulse(at_ms * MS, width_ms * 1_000) for at_ms, width_ms in cases]
    assert made.hits(pulses) == list(cases.values())
