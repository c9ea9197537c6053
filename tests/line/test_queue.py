"""The reject queue, order by order. Times are nanoseconds of a clock that only the test moves."""

from edge.line.outcome import Action, Cause, Counters, OutputStep, PartOutcome
from edge.line.queue import RejectQueue

PULSE = 20
EJECTED, PASSED, MISSED = Action.EJECTED, Action.PASSED, Action.MISSED
VERDICT, UNKNOWN, SAFE = Cause.VERDICT, Cause.UNKNOWN, Cause.QUEUE_FULL
NOTHING = OutputStep(False, ())


def make(*, eject_unknown: bool = True, capacity: int = 8) -> RejectQueue:
    return RejectQueue(pulse_ns=PULSE, eject_unknown=eject_unknown, capacity=capacity)


def test_a_reject_is_ejected_for_one_pulse_and_a_pass_is_let_by():
    queue = make()
    queue.announce(1, 100)
    queue.announce(2, 200)
    queue.resolve(1, True)
    queue.resolve(2, False)
    assert queue.next_ns() == 100
    assert queue.due(99) == NOTHING
    assert queue.due(100) == OutputStep(True, (PartOutcome(1, 100, PULSE, EJECTED, VERDICT),), 120)
    assert queue.next_ns() == 120
    assert queue.due(119) == OutputStep(True, (), 120)
    assert queue.due(120) == NOTHING
    assert queue.due(200) == OutputStep(False, (PartOutcome(2, 200, 0, PASSED, VERDICT),))
    assert queue.next_ns() is None
    assert queue.counters == Counters(announced=2, ejected=1, passed=1)


def test_a_part_without_verdict_is_dealt_with_as_unknown():
    for eject, action, width in ((True, EJECTED, PULSE), (False, PASSED, 0)):
        queue = make(eject_unknown=eject)
        queue.announce(1, 100)
        assert queue.due(100) == OutputStep(
            eject, (PartOutcome(1, 100, width, action, UNKNOWN),), 120 if eject else None
        )
        assert queue.counters.unknown == 1


def test_a_late_verdict_is_counted_and_ejects_no_part():
    queue = make(eject_unknown=False)
    queue.announce(1, 100)
    queue.announce(2, 200)
    queue.resolve(2, False)
    queue.due(100)
    queue.resolve(1, True)
    assert queue.due(150) == NOTHING
    assert queue.due(200) == OutputStep(False, (PartOutcome(2, 200, 0, PASSED, VERDICT),))
    assert queue.counters == Counters(announced=2, passed=2, unknown=1, late=1)


def test_repeats_and_unannounced_parts_are_counted_and_change_nothing():
    queue = make()
    queue.announce(1, 100)
    queue.announce(1, 500)
    queue.resolve(1, False)
    queue.resolve(1, True)
    queue.resolve(9, True)
    assert queue.due(100) == OutputStep(False, (PartOutcome(1, 100, 0, PASSED, VERDICT),))
    queue.announce(1, 600)
    assert queue.due(600) == NOTHING
    assert queue.counters == Counters(announced=1, passed=1, duplicate=3, unmatched=1)


def test_pulses_that_overlap_are_one_pulse_with_each_part_recorded():
    queue = make()
    for number, due_ns in ((1, 100), (2, 115)):
        queue.announce(number, due_ns)
    assert queue.due(100) == OutputStep(True, (PartOutcome(1, 100, PULSE, EJECTED, UNKNOWN),), 120)
    assert queue.next_ns() == 115
    assert queue.due(115) == OutputStep(True, (PartOutcome(2, 115, PULSE, EJECTED, UNKNOWN),), 135)
    assert queue.next_ns() == 135
    assert queue.due(134).active
    assert queue.due(135) == NOTHING


def test_a_good_part_within_the_pulse_of_the_one_before_is_counted():
    queue = make()
    queue.announce(1, 100)
    queue.announce(2, 110)
    queue.resolve(2, False)
    queue.due(100)
    queue.due(110)
    assert queue.counters.overrun == 1


def test_a_process_held_up_shortens_its_pulse_and_never_moves_it():
    queue = make()
    queue.announce(1, 100)
    assert queue.due(113) == OutputStep(True, (PartOutcome(1, 100, 7, EJECTED, UNKNOWN),), 120)
    assert queue.next_ns() == 120


def test_a_window_that_is_over_is_missed_and_makes_no_pulse():
    queue = make()
    queue.announce(1, 100)
    queue.announce(2, 500)
    assert queue.due(120) == OutputStep(False, (PartOutcome(1, 100, 0, MISSED, UNKNOWN),))
    assert queue.counters.missed == 1


def test_parts_may_be_announced_out_of_order_and_after_their_due_time():
    queue = make()
    queue.announce(2, 300)
    queue.announce(1, 100)
    assert queue.next_ns() == 100
    queue.due(250)
    queue.announce(3, 240)
    assert queue.due(250) == OutputStep(True, (PartOutcome(3, 240, 10, EJECTED, UNKNOWN),), 260)


def test_a_part_announced_behind_time_does_not_shorten_the_pulse_that_is_active():
    queue = make()
    queue.announce(1, 100)
    queue.due(100)
    queue.announce(2, 95)
    assert queue.due(110) == OutputStep(True, (PartOutcome(2, 95, 5, EJECTED, UNKNOWN),), 120)
    assert queue.next_ns() == 120


def test_a_part_may_be_announced_together_with_its_verdict():
    queue = make()
    queue.announce(1, 100, False)
    assert queue.due(101) == OutputStep(False, (PartOutcome(1, 100, 0, PASSED, VERDICT),))
    queue.announce(2, 200, True)
    queue.resolve(2, False)
    assert queue.due(200) == OutputStep(True, (PartOutcome(2, 200, PULSE, EJECTED, VERDICT),), 220)
    assert queue.counters.duplicate == 1


def test_a_full_queue_ejects_what_it_cannot_remember():
    queue = make(capacity=2)
    for number in range(1, 5):
        queue.announce(number, number * 100)
        queue.resolve(number, False)
    assert queue.counters == Counters(announced=4, overflow=2, unmatched=2)
    assert [queue.due(now).active for now in (100, 200, 299, 300, 350, 419, 420)] == [
        *(False, False, False),
        *(True, True, True),
        False,
    ]
    queue.announce(9, 900)
    assert queue.next_ns() == 900


def test_a_full_queue_reports_the_first_part_it_ejects_unseen_and_joins_later_ones():
    queue = make(capacity=1)
    queue.announce(1, 100)
    queue.resolve(1, False)
    queue.announce(2, 200)
    queue.due(150)
    queue.announce(3, 260)
    assert queue.due(200) == OutputStep(True, (PartOutcome(2, 200, 80, EJECTED, SAFE),), 280)
    assert queue.next_ns() == 280
    assert queue.due(280) == NOTHING
    assert queue.next_ns() is None


def test_a_full_queue_lets_by_where_unknown_parts_pass():
    queue = make(eject_unknown=False, capacity=1)
    queue.announce(1, 100)
    queue.announce(2, 200)
    assert queue.due(200) == OutputStep(False, (PartOutcome(1, 100, 0, PASSED, UNKNOWN),))
    assert queue.counters.overflow == 1
