"""Whatever the belt does and however late it is read: the same parts, at the same moments."""

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.soak.line import SoakedLine
from bench.soak.plan import SoakPlan
from edge.devices.encoder import EncoderPosition
from edge.line.outcome import Action
from edge.line.queue import RejectQueue
from edge.line.tracker import BeltTracker, CountRules

TRAVEL, PULSE_NS, STEP_NS = 40, 7_000, 1_000

moves = st.lists(st.integers(-25, 40).filter(bool), min_size=1, max_size=12)
# After so many counts of the belt an edge of the photo-eye, and the verdict on what it saw.
edges = st.lists(st.tuples(st.integers(1, 25), st.sampled_from([True, False, None])), max_size=20)


def positions(steps: list[int]) -> list[EncoderPosition]:
    count, found = 0, [EncoderPosition(0, 0)]
    for step in [*steps, 40 + TRAVEL + sum(abs(s) for s in steps)]:
        for _ in range(abs(step)):
            count += 1 if step > 0 else -1
            found.append(EncoderPosition(count, len(found) * STEP_NS))
    return found


def run(belt: list[EncoderPosition], seen: dict[int, bool | None], looks: list[int]):
    """seen: number of the position → verdict. looks: positions after which it is called."""
    queue = RejectQueue(pulse_ns=PULSE_NS, eject_unknown=True, by_counts=True)
    tracker = BeltTracker(queue, counts=CountRules(TRAVEL, debounce=3, silent_edges=0))
    outcomes, levels, read = [], [], 0
    for look in [*looks, len(belt)]:
        tracker.moved(belt[read:look])
        now_ns = belt[look - 1].at_ns if look else 0
        for index in sorted(seen):
            if read <= index < look:
                tracker.sighted(index, belt[index].at_ns, now_ns, seen[index])
        step = tracker.due(now_ns)
        outcomes += step.outcomes
        levels.append((now_ns, step.active))
        read = max(read, look)
    return outcomes, levels


@settings(deadline=None)
@given(moves, edges, st.lists(st.integers(1, 60), max_size=30))
def test_a_part_has_its_moment_where_the_belt_first_is_at_its_place(steps, gaps, lateness):
    belt = positions(steps)
    seen, index = {}, 0
    for gap, verdict in gaps:
        index += gap
        if index < len(belt) - TRAVEL - 10:
            seen[index] = verdict
    at_once, levels = run(belt, seen, list(range(1, len(belt))))
    looks, look = [], 0
    for late in lateness:
        look = min(len(belt), look + late)
        looks.append(look)
    late_looks, _ = run(belt, seen, looks)

    assert sorted(p.part_id for p in at_once) == sorted(seen)
    parts = {p.part_id: p for p in at_once if p.action is not Action.NO_PART}
    for number, outcome in parts.items():
        place = belt[number].count + TRAVEL
        reached = next(p for p in belt[number + 1 :] if p.count >= place)
        assert outcome.due_ns == reached.at_ns
        assert outcome.action is (Action.PASSED if seen[number] is False else Action.EJECTED)
        for other in parts:
            assert other == number or abs(belt[other].count - belt[number].count) >= 3
    # The output is active in the windows of those ejected, and nowhere else.
    windows = [p.due_ns for p in parts.values() if p.action is Action.EJECTED]
    for now_ns, active in levels:
        assert active == any(begin <= now_ns < begin + PULSE_NS for begin in windows)

    def fates(outcomes):
        wanted = {Action.MISSED: Action.EJECTED}
        return {(p.part_id, p.due_ns, wanted.get(p.action, p.action), p.cause) for p in outcomes}

    assert fates(late_looks) == fates(at_once)
    assert len(late_looks) == len(at_once)


chances = st.sampled_from([0.0, 0.05, 0.3])
plans = st.builds(
    SoakPlan,
    name=st.just("any"),
    counts_per_s=st.integers(300, 1_500),
    variation=st.floats(0, 0.6),
    stops=st.floats(0, 0.3),
    reversals=st.floats(0, 0.3),
    travel=st.integers(120, 400),
    gap_low=st.integers(9, 15),
    gap_high=st.integers(16, 60),
    eject_unknown=st.booleans(),
    survives=st.booleans(),
    eye=st.booleans(),
    eject_absent=st.booleans(),
    lost_verdicts=chances,
    late_verdicts=chances,
    taken=chances,
    added=chances,
    slipped=st.just(0.0),
    rejector_crashes=chances,
    station_crashes=chances,
    gaps=chances,
    stalls=chances,
)


@settings(deadline=None)
@given(plans, st.integers(0, 10_000))
def test_no_line_ejects_a_wrong_part_or_forgets_one(plan, seed):
    line = SoakedLine(plan, seed)
    line.run(120)
    assert line.referee.errors == []
