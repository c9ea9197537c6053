"""Whatever comes in whatever order: no pulse for the wrong part, and no part forgotten."""

import random

from hypothesis import given
from hypothesis import strategies as st

from edge.line.latency import Histogram
from edge.line.outcome import Action, Cause
from edge.line.queue import RejectQueue

PULSE = 20

orders = st.lists(
    st.one_of(
        st.tuples(st.just("announce"), st.integers(1, 30), st.integers(0, 1_000)),
        st.tuples(st.just("resolve"), st.integers(1, 40), st.booleans()),
        st.tuples(st.just("pass_time"), st.integers(0, 60), st.none()),
    ),
    max_size=120,
)


class _Model:
    """A model of a queue: due times, verdicts and actions by part."""

    def __init__(self, eject_unknown: bool) -> None:
        self.eject_unknown = eject_unknown
        self.due: dict[int, int] = {}
        self.verdict: dict[int, bool] = {}
        self.gone: dict[int, Action] = {}

    def wanted(self, part_id: int) -> bool:
        return self.verdict.get(part_id, self.eject_unknown)

    def windows(self) -> list[tuple[int, int]]:
        ejected = [number for number, action in self.gone.items() if action is Action.EJECTED]
        return [(self.due[number], self.due[number] + PULSE) for number in ejected]


@given(orders, st.booleans())
def test_the_output_is_active_in_the_windows_of_ejected_parts_and_nowhere_else(
    steps, eject_unknown
):
    queue, model, now_ns = RejectQueue(pulse_ns=PULSE, eject_unknown=eject_unknown), None, 0
    model = _Model(eject_unknown)
    for what, number, value in [*steps, ("pass_time", 2_000, None)]:
        if what == "announce":
            queue.announce(number, value)
            model.due.setdefault(number, value)
        elif what == "resolve":
            queue.resolve(number, value)
            if number in model.due and number not in model.gone:
                model.verdict.setdefault(number, value)
        else:
            now_ns += number
        step = queue.due(now_ns)
        for outcome in step.outcomes:
            assert outcome.part_id not in model.gone
            assert outcome.due_ns == model.due[outcome.part_id] <= now_ns
            wanted = model.wanted(outcome.part_id)
            assert (outcome.action is not Action.PASSED) == wanted
            assert (outcome.action is Action.MISSED) == (
                wanted and outcome.due_ns + PULSE <= now_ns
            )
            assert (outcome.cause is Cause.VERDICT) == (outcome.part_id in model.verdict)
            model.gone[outcome.part_id] = outcome.action
        assert step.active == any(begin <= now_ns < end for begin, end in model.windows())
    assert set(model.gone) == set(model.due)
    counters = queue.counters
    assert counters.announced == counters.ejected + counters.passed + counters.missed
    assert queue.next_ns() is None


@given(orders, st.integers(1, 6))
def test_a_small_queue_never_forgets_a_part_that_it_does_not_know_to_be_good(steps, capacity):
    """Eject unseen rather than passed unseen: at its due time every such part has the output."""
    queue, now_ns = RejectQueue(pulse_ns=PULSE, eject_unknown=True, capacity=capacity), 0
    due: dict[int, int] = {}
    good: set[int] = set()
    # Parts come in the order of their ids and of their due times, as on a belt.
    arrivals = sorted(value for what, _, value in steps if what == "announce")
    for number, due_ns in enumerate(arrivals):
        queue.announce(number, due_ns)
        due[number] = due_ns
        if number % 3 == 0:
            queue.resolve(number, False)
            good.add(number)
    for now_ns in sorted({*due.values(), 3_000}):
        active = queue.due(now_ns).active
        here = [number for number, due_ns in due.items() if due_ns == now_ns]
        assert active or all(number in good for number in here)
    assert queue.next_ns() is None


def test_a_hundred_thousand_parts_with_late_lost_and_doubled_verdicts():
    """Gaps of 30 to 90 with pulses of 20: every pulse has exactly one part, and the right one."""
    chance = random.Random(11)
    queue = RejectQueue(pulse_ns=PULSE, eject_unknown=True, capacity=64)
    travel_ns, at_ns, messages = 600, 0, []
    due, fate = {}, {}
    for number in range(100_000):
        at_ns += chance.randint(30, 90)
        due[number] = at_ns + travel_ns
        messages.append((at_ns, number, None))
        fate[number] = verdict = chance.choice((True, False, None))
        if verdict is not None:
            delay_ns = chance.randint(1, 900)  # a third of them comes after the part has gone
            messages.append((at_ns + delay_ns, number, verdict))
            if at_ns + delay_ns > due[number]:
                fate[number] = None
            if chance.random() < 0.05:
                messages.append((at_ns + delay_ns + 1, number, not verdict))
    messages.sort(key=lambda message: message[:2])

    active, ejected, began = False, [], []

    def run_until(limit_ns: int) -> None:
        nonlocal active
        while (next_ns := queue.next_ns()) is not None and next_ns < limit_ns:
            step = queue.due(next_ns)
            ejected.extend(p.part_id for p in step.outcomes if p.action is Action.EJECTED)
            if step.active and not active:
                began.append(next_ns)
            active = step.active

    for when_ns, number, verdict in messages:
        run_until(when_ns)
        if verdict is None:
            queue.announce(number, due[number])
        else:
            queue.resolve(number, verdict)
    run_until(at_ns * 2)

    expected = [number for number, verdict in fate.items() if verdict is not False]
    assert ejected == expected
    assert began == [due[number] for number in expected]
    assert queue.counters.missed == queue.counters.overrun == queue.counters.overflow == 0
    assert queue.counters.late > 10_000


@given(st.lists(st.floats(0.001, 2e8), min_size=1))
def test_percentiles_are_at_most_five_percent_above_the_true_value(values):
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = histogram.percentiles()
    assert found.count == len(values)
    assert found.max_us == max(values)
    true = sorted(values)[(len(values) + 1) // 2 - 1]
    assert true * 0.999 <= found.p50_us <= max(1.0, true * 1.051) or max(values) > 1e8
    assert found.p50_us <= found.p99_us <= found.p999_us <= found.max_us
