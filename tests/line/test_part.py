from edge.line.part import LineTiming, Part, PartTracker
from edge.line.pending import Ledger

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


def test_the_ledger_hands_a_part_out_once():
    ledger = Ledger()
    ledger.open(part(1, 0))
    assert 1 in ledger
    assert [ledger.settle(1), ledger.settle(1), ledger.settle(2)] == [part(1, 0), None, None]
    assert len(ledger) == 0


def test_overdue_parts_stay_open_until_settled():
    ledger = Ledger()
    for number, at_ns in ((1, 0), (2, 100), (3, 200)):
        ledger.open(part(number, at_ns))
    assert ledger.overdue(299) == ()
    assert ledger.next_deadline_ns() == 300
    assert ledger.overdue(400) == (part(1, 0), part(2, 100))
    ledger.settle(1)
    assert ledger.overdue(400) == (part(2, 100),)
    assert ledger.next_deadline_ns() == 400
