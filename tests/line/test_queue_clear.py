"""By time: what is on the belt at the start is unknown. Times are nanoseconds."""

from edge.line.outcome import Action, Cause, OutputStep, PartOutcome
from edge.line.queue import RejectQueue

PULSE = 20


def make(*, eject_unknown: bool = True, spacing: int = 0) -> RejectQueue:
    return RejectQueue(pulse_ns=PULSE, eject_unknown=eject_unknown, spacing=spacing)


def test_the_output_is_active_until_what_was_on_the_belt_is_by():
    queue = make()
    queue.lose(100, 500)
    assert queue.next_ns() == 100
    assert queue.due(100) == OutputStep(True, (), 520)
    assert queue.is_position_lost
    assert queue.next_ns() == 500
    assert queue.due(500) == OutputStep(True, (), 520)  # the last one may just be there
    assert queue.next_ns() == 520
    assert queue.due(520) == OutputStep(False, ())
    assert queue.next_ns() is None


def test_a_part_that_is_known_and_among_them_goes_along():
    queue = make(spacing=30)
    queue.lose(100, 500)
    for part, due_ns in ((1, 300), (2, 510), (3, 560)):
        queue.announce(part, due_ns, False)
    queue.due(100)
    assert queue.due(300).outcomes == (
        PartOutcome(1, 300, 20, Action.EJECTED, Cause.POSITION_LOST),
    )
    queue.due(500)
    assert queue.due(510).outcomes == (PartOutcome(2, 510, 20, Action.EJECTED, Cause.TOO_CLOSE),)
    assert queue.due(560).outcomes == (PartOutcome(3, 560, 0, Action.PASSED, Cause.VERDICT),)


def test_nothing_is_cleared_where_unknown_parts_pass():
    queue = make(eject_unknown=False)
    queue.lose(100, 500)
    assert queue.next_ns() is None
    assert queue.due(200) == OutputStep(False, ())


def test_a_process_held_up_beyond_the_end_clears_nothing_afterwards():
    queue = make()
    queue.lose(100, 500)
    assert queue.due(900) == OutputStep(False, ())
    assert queue.next_ns() is None


def test_whoever_ends_stops_clearing():
    queue = make()
    queue.lose(100, 500)
    queue.due(100)
    queue.stop_clearing()
    assert queue.due(110) == OutputStep(False, ())
    assert queue.next_ns() is None
