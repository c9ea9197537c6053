"""The reject queue by counts, with neighbours and an eye. Only the test moves belt and clock."""

import pytest

from edge.line.outcome import Action, Cause, Counters, OutputStep, PartOutcome
from edge.line.queue import RejectQueue

PULSE = 20
NOTHING = OutputStep(False, ())
EJECTED, PASSED, MISSED = Action.EJECTED, Action.PASSED, Action.MISSED


def make(**given) -> RejectQueue:
    return RejectQueue(**{"pulse_ns": PULSE, "eject_unknown": True, "by_counts": True, **given})


def fates(step: OutputStep) -> list[tuple[int, str, str]]:
    return [(p.part_id, p.action.name, p.cause.name) for p in step.outcomes]


def test_a_part_is_ejected_from_the_edge_of_its_count_on_for_one_pulse():
    queue = make()
    queue.announce(1, 100, True)
    assert (queue.next_place, queue.last_place, queue.next_ns()) == (100, 100, None)
    queue.reach(99, 1_000)
    assert queue.due(1_005) == NOTHING
    queue.reach(100, 1_010)
    assert queue.next_ns() == 1_010
    assert queue.due(1_013) == OutputStep(
        True, (PartOutcome(1, 1_010, 17, EJECTED, Cause.VERDICT),), 1_030
    )
    assert queue.next_ns() == 1_030
    assert queue.due(1_030) == NOTHING
    assert queue.next_place is None


def test_a_belt_that_stands_in_front_of_a_part_does_nothing_and_one_that_stands_behind_ends_it():
    queue = make()
    queue.announce(1, 100, True)
    queue.reach(99, 10)
    assert queue.due(10**12) == NOTHING
    queue.reach(100, 10**12 + 1)
    assert queue.due(10**12 + 1).active
    assert not queue.due(10**12 + 1 + PULSE).active  # it still stands


def test_a_part_that_has_gone_by_is_not_ejected_when_the_belt_backs_up_and_returns():
    queue = make()
    queue.announce(1, 100, True)
    queue.announce(2, 110, True)
    queue.reach(100, 10)
    assert fates(queue.due(10)) == [(1, "EJECTED", "VERDICT")]
    for count, at_ns in ((90, 50), (100, 60), (105, 70)):
        queue.reach(count, at_ns)
        assert queue.due(at_ns) == NOTHING
    queue.reach(110, 80)
    assert fates(queue.due(80)) == [(2, "EJECTED", "VERDICT")]


def test_a_process_held_up_shortens_or_misses_its_pulse_by_the_stamp_of_the_edge():
    queue = make()
    queue.announce(1, 100, True)
    queue.announce(2, 200, True)
    queue.reach(100, 1_000)
    assert queue.due(1_019) == OutputStep(
        True, (PartOutcome(1, 1_000, 1, EJECTED, Cause.VERDICT),), 1_020
    )
    queue.reach(200, 2_000)
    assert queue.due(2_020) == OutputStep(False, (PartOutcome(2, 2_000, 0, MISSED, Cause.VERDICT),))


def test_a_part_announced_behind_its_place_has_the_moment_at_which_the_belt_was_there():
    queue = make()
    queue.announce(1, 100, True, reached_ns=1_000)
    assert queue.due(1_005) == OutputStep(
        True, (PartOutcome(1, 1_000, 15, EJECTED, Cause.VERDICT),), 1_020
    )


@pytest.mark.parametrize(
    ("verdicts", "ejected"),
    [
        ((True, False, False), "KCC"),  # the second goes with the first, the third with the second
        ((False, False, True), "CCK"),
        ((False, True, False), "CKC"),
        ((False, False, False), "..."),
        ((False, None, False), "CUC"),
    ],
)
def test_parts_that_the_ejector_cannot_tell_apart_go_together(verdicts, ejected):
    queue = make(spacing=10)
    for number, verdict in enumerate(verdicts, start=1):
        queue.announce(number, 100 + 9 * number, verdict)
    queue.announce(9, 137, False)  # ten behind the third: far enough to be distinguished
    found = ""
    letters = {Cause.VERDICT: "K", Cause.TOO_CLOSE: "C", Cause.UNKNOWN: "U"}
    for number in range(1, 4):
        queue.reach(100 + 9 * number, 1_000 * number)
        (outcome,) = queue.due(1_000 * number).outcomes
        found += letters[outcome.cause] if outcome.action is EJECTED else "."
    assert found == ejected
    queue.reach(137, 9_000)
    assert fates(queue.due(9_000)) == [(9, "PASSED", "VERDICT")]
    assert queue.counters.too_close == ejected.count("C")


def test_without_spacing_each_part_is_by_itself():
    queue = make(spacing=0)
    queue.announce(1, 100, True)
    queue.announce(2, 101, False)
    queue.reach(101, 10)
    assert fates(queue.due(10)) == [(1, "EJECTED", "VERDICT"), (2, "PASSED", "VERDICT")]
    assert queue.counters.overrun == 1


def test_spacing_by_time_is_in_nanoseconds():
    queue = RejectQueue(pulse_ns=PULSE, eject_unknown=True, spacing=30)
    queue.announce(1, 100, True)
    queue.announce(2, 129, False)
    queue.announce(3, 160, False)
    assert [fates(queue.due(now)) for now in (100, 129, 160)] == [
        [(1, "EJECTED", "VERDICT")],
        [(2, "EJECTED", "TOO_CLOSE")],
        [(3, "PASSED", "VERDICT")],
    ]


def test_a_lost_belt_is_ejected_from_end_to_end_and_takes_along_who_is_there():
    queue = make(spacing=10)
    queue.announce(1, 150, False)
    queue.lose(100, 200)
    queue.announce(2, 205, False)  # within the spacing of the end
    queue.announce(3, 215, False)
    queue.reach(99, 1_000)
    assert not queue.due(1_000).active
    queue.reach(100, 1_100)
    assert queue.is_position_lost
    assert queue.due(1_100) == OutputStep(True, ())
    queue.reach(90, 1_200)  # backing up ends nothing
    assert queue.due(1_200).active
    queue.reach(150, 1_300)
    assert fates(queue.due(1_300)) == [(1, "EJECTED", "POSITION_LOST")]
    queue.reach(200, 1_400)
    assert queue.due(1_400).active
    assert not queue.is_position_lost
    queue.reach(205, 1_410)
    assert fates(queue.due(1_410)) == [(2, "EJECTED", "TOO_CLOSE")]
    queue.reach(215, 1_500)
    # Ten behind the second, which was ejected: far enough to be distinguished.
    assert queue.due(1_500) == OutputStep(False, (PartOutcome(3, 1_500, 0, PASSED, Cause.VERDICT),))


def test_where_unknown_parts_pass_a_lost_belt_passes_and_says_whom_it_missed():
    queue = make(eject_unknown=False)
    for number, verdict in ((1, True), (2, False), (3, None)):
        queue.announce(number, 100 * number, verdict)
    queue.forget(50)
    queue.lose(0, 400)
    queue.reach(400, 60)
    step = queue.due(60)
    assert not step.active
    assert fates(step) == [
        (1, "MISSED", "POSITION_LOST"),
        (2, "PASSED", "POSITION_LOST"),
        (3, "PASSED", "POSITION_LOST"),
    ]
    assert queue.counters.position_lost == 3


def test_every_part_forgotten_is_reported_once_and_its_verdict_is_late():
    queue = make()
    queue.announce(1, 100)
    queue.announce(2, 200)
    queue.forget(50)
    queue.resolve(1, False)
    queue.drop(2, 60)
    queue.drop(3, 60)
    assert fates(queue.due(60)) == [(n, "EJECTED", "POSITION_LOST") for n in (1, 2, 3)]
    assert (queue.counters.late, queue.counters.duplicate, len(queue)) == (1, 1, 0)


def test_parts_abandoned_are_down():
    queue = make()
    for number, verdict in ((1, True), (2, False), (3, None)):
        queue.announce(number, 100 * number, verdict)
    queue.abandon(50)
    assert fates(queue.due(50)) == [
        (1, "MISSED", "REJECTOR_DOWN"),
        (2, "PASSED", "REJECTOR_DOWN"),
        (3, "MISSED", "REJECTOR_DOWN"),
    ]


def test_a_full_queue_by_counts_ejects_what_it_cannot_remember_from_place_to_place():
    queue = make(capacity=1)
    queue.announce(1, 100, False)
    queue.announce(2, 200)
    queue.announce(3, 230)
    assert fates(queue.due(5)) == [(2, "EJECTED", "QUEUE_FULL"), (3, "EJECTED", "QUEUE_FULL")]
    levels = []
    for count in (100, 199, 200, 215, 230):
        queue.reach(count, count * 10)
        levels.append(queue.due(count * 10).active)
    assert levels == [False, False, True, True, True]
    assert not queue.due(2_300 + PULSE).active
    assert queue.counters == Counters(announced=3, passed=1, overflow=2)


def test_a_full_queue_by_counts_lets_by_where_unknown_parts_pass():
    queue = make(capacity=1, eject_unknown=False)
    queue.announce(1, 100, False)
    queue.announce(2, 200)
    queue.reach(200, 10)
    step = queue.due(10)
    assert (step.active, fates(step)[0]) == (False, (2, "PASSED", "QUEUE_FULL"))


def test_the_eye_moves_a_part_to_where_it_is():
    queue = make(confirm=True)
    queue.announce(1, 100, True)
    queue.announce(2, 130, False)
    queue.confirm(104, 5)
    queue.confirm(125, 5)
    queue.reach(103, 10)
    assert queue.due(10) == NOTHING
    queue.reach(104, 20)
    assert fates(queue.due(20)) == [(1, "EJECTED", "VERDICT")]
    queue.reach(125, 50)
    assert fates(queue.due(50)) == [(2, "PASSED", "VERDICT")]


def test_an_unannounced_part_at_the_eye_is_unannounced_and_unknown():
    for eject_unknown, fate in ((True, "EJECTED"), (False, "PASSED")):
        queue = make(confirm=True, eject_unknown=eject_unknown)
        queue.announce(1, 100, False)
        queue.confirm(106, 5)
        queue.confirm(100, 5)
        queue.confirm(101, 5)  # the one announced is seen already: this is another
        queue.reach(110, 10)
        assert fates(queue.due(10)) == [
            (1, "PASSED", "VERDICT"),
            (0, fate, "UNANNOUNCED"),
            (0, fate, "UNANNOUNCED"),
        ]
        assert (queue.counters.unannounced, queue.counters.absent) == (2, 0)


def test_the_nearest_part_is_the_one_that_the_eye_sees():
    queue = make(confirm=True)
    queue.announce(1, 100, False)
    queue.announce(2, 110, True)
    queue.confirm(106, 10)
    queue.reach(106, 10)
    assert fates(queue.due(10)) == [(1, "PASSED", "ABSENT"), (2, "EJECTED", "VERDICT")]


@pytest.mark.parametrize(("eject_absent", "fate"), [(True, "EJECTED"), (False, "PASSED")])
def test_a_part_that_the_eye_does_not_see_is_absent(eject_absent, fate):
    queue = make(confirm=True, eject_absent=eject_absent)
    queue.announce(1, 100, True)
    queue.reach(100, 10)
    assert fates(queue.due(10)) == [(1, fate, "ABSENT")]
    assert queue.counters.absent == 1


def test_an_eye_that_misses_four_in_a_row_is_taken_as_failed_until_it_sees_one():
    queue = make(confirm=True, eject_absent=False)
    for number in range(1, 7):
        queue.announce(number, 100 * number, True)
    queue.reach(400, 10)
    found = fates(queue.due(10))
    queue.confirm(500, 5)
    queue.reach(600, 20)
    found += fates(queue.due(20))
    assert [(action, cause) for _, action, cause in found] == [
        *[("PASSED", "ABSENT")] * 3,
        ("EJECTED", "VERDICT"),
        ("EJECTED", "VERDICT"),
        ("PASSED", "ABSENT"),
    ]


def test_a_part_excused_need_not_be_seen_but_may_be():
    queue = make(confirm=True, eject_absent=False)
    for number in (1, 2):
        queue.announce(number, 100 * number, True)
        queue.excuse(number)
    queue.confirm(203, 5)
    queue.reach(203, 10)
    assert fates(queue.due(10)) == [(1, "EJECTED", "VERDICT"), (2, "EJECTED", "VERDICT")]
    assert (queue.counters.absent, queue.counters.unannounced) == (0, 0)


def test_without_its_eye_parts_need_not_be_seen():
    queue = make(confirm=True, eject_absent=False)
    queue.announce(1, 100, True)
    queue.ignore_eye()
    queue.reach(100, 10)
    assert fates(queue.due(10)) == [(1, "EJECTED", "VERDICT")]
