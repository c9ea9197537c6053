from edge.line.open_parts import OpenParts
from edge.line.part import LineTiming, Part, PartTracker

TIMING = LineTiming(travel_ns=1_000, budget_ns=300, debounce_ns=50)


def part(number: int, at_ns: int) -> Part:
    return Part(number, at_ns, at_ns + 300, at_ns + 1_000)


def test_every_edge_begins_a_part_and_bounces_do_not():
    tracker = PartTracker(TIMING, first_part_id=7)
    made = [tracker.part(at_ns) for at_ns in (100, 149, 150, 120, 500)]
    assert made == [part(7, 100), None, part(8, 150), None, part(9, 500)]
    assert tracker.bounces == 2


def test_without_debounce_only_a_repeated_or_backward_stamp_is_a_bounce():
    tracker = PartTracker(LineTiming(travel_ns=1_000, budget_ns=300))
    made = [tracker.part(at_ns) for at_ns in (100, 101, 101, 90)]
    assert made == [part(1, 100), part(2, 101), None, None]


def test_a_bounce_does_not_prolong_the_debounce():
    tracker = PartTracker(TIMING)
    made = [tracker.part(at_ns) for at_ns in (0, 40, 80, 120)]
    assert made == [part(1, 0), None, part(2, 80), None]


def test_a_part_is_settled_once():
    parts = OpenParts()
    parts.add(part(1, 0))
    assert 1 in parts
    assert [parts.settle(1), parts.settle(1), parts.settle(2)] == [part(1, 0), None, None]
    assert len(parts) == 0


def test_overdue_parts_stay_open_until_settled():
    parts = OpenParts()
    for number, at_ns in ((1, 0), (2, 100), (3, 200)):
        parts.add(part(number, at_ns))
    assert parts.overdue(299) == ()
    assert parts.next_deadline_ns() == 300
    assert parts.overdue(400) == (part(1, 0), part(2, 100))
    parts.settle(1)
    assert parts.overdue(400) == (part(2, 100),)
    assert parts.next_deadline_ns() == 400
