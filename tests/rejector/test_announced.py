"""The orders of a station for a new rejector, and the reports that it makes itself."""

from edge.line.outcome import Action, Cause
from edge.rejector.announced import AnnouncedParts
from edge.rejector.messages import (
    Actuated,
    Announce,
    Clear,
    Known,
    Lose,
    Placed,
    Restore,
    Sighted,
)

MS = 1_000_000


def make(*, eject_unknown: bool = True, capacity: int = 4096) -> AnnouncedParts:
    return AnnouncedParts(pulse_us=10_000, eject_unknown=eject_unknown, capacity=capacity)


def passed(part_id: int, action: Action = Action.PASSED) -> Actuated:
    return Actuated(part_id, 0, 0, 0, action, Cause.VERDICT)


def test_by_time_a_new_process_gets_the_parts_to_come_and_the_rest_is_down():
    underway = make(eject_unknown=False)
    assert underway.announce(1, 100 * MS, 0) == Announce(1, 100 * MS)
    for number, due_ns in ((2, 120 * MS), (3, 140 * MS), (4, 500 * MS)):
        underway.announce(number, due_ns, 0)
    for number, eject in ((1, True), (2, False), (4, True), (4, False)):
        underway.resolve(number, eject)
    assert underway.remove_overdue(150 * MS) == [
        Actuated(1, 100 * MS, 100 * MS, 0, Action.MISSED, Cause.REJECTOR_DOWN),
        Actuated(2, 120 * MS, 120 * MS, 0, Action.PASSED, Cause.REJECTOR_DOWN),
        Actuated(3, 140 * MS, 140 * MS, 0, Action.PASSED, Cause.REJECTOR_DOWN),
    ]
    assert underway.orders(-1, purge_at_start=False) == [Announce(4, 500 * MS, True)]
    assert underway.last_due_ns(9) == 500 * MS
    underway.reported(passed(4))
    assert (len(underway), underway.last_due_ns(9)) == (0, 0)


def test_by_counts_that_go_on_places_are_restored_and_known():
    underway = make()
    assert underway.orders(7, purge_at_start=True) == [Lose()]
    for number in (1, 2, 3):
        assert underway.sighted(number, number * MS, 0) == Sighted(number, number * MS)
        underway.resolve(number, number == 2)
    underway.placed(Placed(1, 100))
    underway.placed(Placed(2, 200))
    underway.placed(Placed(9, 900))  # not announced
    underway.reported(passed(1))
    assert underway.remove_lost(7, 50 * MS) == []
    assert underway.remove_overdue(10**15) == []
    assert underway.last_due_ns(9) == 9
    assert underway.orders(7, purge_at_start=True) == [
        Known(1, 100),
        Restore(2, 200, True),
        Sighted(3, 3 * MS, False),
    ]


def test_by_counts_that_begin_anew_everything_is_lost():
    for eject_unknown, fates in (
        (True, [Action.EJECTED] * 3),
        (False, [Action.MISSED, Action.PASSED, Action.PASSED]),
    ):
        underway = make(eject_unknown=eject_unknown)
        assert underway.orders(7, purge_at_start=False) == []
        for number in (0, 1, 2, 3):
            underway.sighted(number, number * MS, 0)
            underway.placed(Placed(number, 100 * number))
        underway.reported(passed(0))
        underway.resolve(1, True)
        underway.resolve(2, False)
        lost = underway.remove_lost(8, 50 * MS)
        assert [(r.part_id, r.action) for r in lost] == list(zip((1, 2, 3), fates, strict=True))
        assert {(r.cause, r.at_ns, r.width_us) for r in lost} == {(Cause.POSITION_LOST, 50 * MS, 0)}
        assert underway.orders(8, purge_at_start=False) == [Lose()]
        assert underway.orders(8, purge_at_start=False) == []


def test_what_is_never_reported_is_forgotten():
    underway = make(capacity=5)
    for number in range(50):
        underway.announce(number, number * MS, number * MS)
    assert len(underway) == 50
    underway.announce(99, 20_000 * MS, 10_020 * MS)
    assert len(underway) == 31
    underway.clear()
    for number in range(50):
        underway.sighted(number, number, 10**15)
    assert len(underway) == 10


def test_a_new_process_gets_no_more_parts_than_its_socket_holds():
    underway = make()
    underway.orders(7, purge_at_start=False)
    for number in range(500):
        underway.sighted(number, number, 0)
        underway.placed(Placed(number, number))
        underway.reported(passed(number))
    assert underway.orders(7, purge_at_start=False) == [Known(n, n) for n in range(436, 500)]


def test_by_time_every_process_gets_the_time_until_which_the_belt_is_unknown():
    underway = make()
    given = {"purge_at_start": False, "clear_ns": 400 * MS}
    assert underway.orders(-1, now_ns=100 * MS, **given) == [Clear(500 * MS)]
    assert underway.orders(-1, now_ns=300 * MS, **given) == [Clear(500 * MS)]  # a restart
    assert underway.orders(-1, now_ns=500 * MS, **given) == []


def test_a_released_line_that_is_active_ejects_good_parts():
    underway = AnnouncedParts(pulse_us=10_000, eject_unknown=True, capacity=8, safe_active=True)
    for part, eject in ((1, False), (2, True), (3, None)):
        underway.announce(part, 100 * MS, 0)
        if eject is not None:
            underway.resolve(part, eject)
    fates = [(one.part_id, one.action, one.cause) for one in underway.remove_overdue(200 * MS)]
    assert fates == [
        (1, Action.EJECTED, Cause.REJECTOR_DOWN),
        (2, Action.MISSED, Cause.REJECTOR_DOWN),
        (3, Action.MISSED, Cause.REJECTOR_DOWN),
    ]


def test_by_counts_a_part_within_the_reach_of_a_pulse_that_outlived_its_process_is_ejected():
    underway = AnnouncedParts(pulse_us=10_000, eject_unknown=False, capacity=8, reach=6)
    underway.orders(7, purge_at_start=False)
    for part, place in ((1, 100), (2, 106), (3, 107)):
        underway.sighted(part, 0, 0)
        underway.resolve(part, part == 1)
        underway.placed(Placed(part, place))
    assert underway.reported(passed(1, Action.EJECTED)) == passed(1, Action.EJECTED)
    down = Actuated(2, 9, 9, 0, Action.PASSED, Cause.REJECTOR_DOWN)
    assert underway.reported(down) == Actuated(2, 9, 9, 0, Action.EJECTED, Cause.OVERRUN)
    (lost,) = underway.remove_lost(8, 9)
    assert (lost.part_id, lost.action, lost.cause) == (3, Action.PASSED, Cause.POSITION_LOST)
