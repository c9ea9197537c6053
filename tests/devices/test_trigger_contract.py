"""What every trigger must do, and what the simulated belt knows besides."""

import itertools
from collections.abc import Callable

import pytest

from edge.devices.output import Pulse
from edge.devices.trigger import EndOfParts, Trigger, TriggerEdge
from edge.errors import DeviceError
from edge.sim.belt import Belt, Misbehaviour
from edge.sim.driven_belt import BeltPlan, DrivenBelt
from edge.sim.motion import Drive

MS = 1_000_000


class FakeClock:
    """Time moves when somebody sleeps, and by hand."""

    def __init__(self) -> None:
        self.ns = 1_000 * MS

    def now_ns(self) -> int:
        return self.ns

    def sleep_until_ns(self, due_ns: int) -> None:
        self.ns = max(self.ns, due_ns)


def belt(clock: FakeClock, **given) -> Belt:
    return Belt(**{"clock": clock, "rate_hz": 10, "travel_ns": 500 * MS, "parts": 5, **given})


# A trigger on which one part comes every 100 ms.
TRIGGERS: dict[str, Callable[[FakeClock], Trigger]] = {
    "belt": belt,
    "driven belt": lambda clock: DrivenBelt(
        BeltPlan(Drive(clock.now_ns(), 1_000), 100, 20, 500, parts=5), clock=clock
    ),
}


@pytest.fixture(params=TRIGGERS)
def trigger(request):
    clock = FakeClock()
    made = TRIGGERS[request.param](clock)
    yield made, clock
    made.close()


def test_edges_are_numbered_and_stamped_with_when_they_happened(trigger):
    made, clock = trigger
    first = made.wait(1.0)
    assert first == TriggerEdge(1, 1_100 * MS)
    clock.ns += 250 * MS  # the reader is late, the stamps are not
    assert [made.wait(1.0), made.wait(1.0)] == [
        TriggerEdge(2, 1_200 * MS),
        TriggerEdge(3, 1_300 * MS),
    ]


def test_none_when_no_edge_comes_in_time(trigger):
    made, clock = trigger
    assert made.wait(0.04) is None
    assert clock.ns == 1_040 * MS
    assert made.wait(0.07) == TriggerEdge(1, 1_100 * MS)


def test_close_twice_then_wait_is_a_device_error(trigger):
    made, _ = trigger
    made.close()
    made.close()
    with pytest.raises(DeviceError, match="after close"):
        made.wait(0.1)


def edges_of(made: Belt) -> list[int]:
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
    blind = belt(FakeClock(), parts=1_000, misbehaviour=Misbehaviour(missing=0.2))
    seen = edges_of(blind)
    assert seen == [part.eye_ns for part in blind.history if part.seen]
    assert 750 < len(seen) < 850
    twice = belt(FakeClock(), parts=3, misbehaviour=Misbehaviour(double=1.0))
    assert edges_of(twice) == [n * MS for n in (1100, 1101, 1200, 1201, 1300, 1301)]


def test_slip_changes_when_a_part_is_at_the_ejector_and_not_when_it_is_seen():
    made = belt(FakeClock(), parts=50, misbehaviour=Misbehaviour(slip_ms=3))
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
