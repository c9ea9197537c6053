"""Reports against real pulses, as whole histories. Times are nanoseconds."""

from edge.line.outcome import Action, Cause
from edge.rejector.messages import Actuated, PulseBegan, PulseEnded
from edge.rejector.outcomes import Outcomes

PULSE = 4_000_000
MS = 1_000_000


def report(
    part_id: int, due_ns: int, action: Action, cause: Cause = Cause.VERDICT, width_us: int = 0
) -> Actuated:
    return Actuated(part_id, due_ns, due_ns + 10, width_us, action, cause)


def ejected(part_id: int, due_ns: int) -> Actuated:
    return report(part_id, due_ns, Action.EJECTED, width_us=4_000)


def passed(part_id: int, due_ns: int, cause: Cause = Cause.VERDICT) -> Actuated:
    return report(part_id, due_ns, Action.PASSED, cause)


def fates(reports: list[Actuated]) -> list[tuple[int, str, str]]:
    return [(one.part_id, one.action.name, one.cause.name) for one in reports]


def test_a_report_waits_for_the_end_of_the_pulse_and_has_its_real_edges():
    outcomes = Outcomes(pulse_ns=PULSE)
    assert outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS + 5_000)) == []
    assert outcomes.passed(ejected(1, 100 * MS), 101 * MS) == []
    (settled,) = outcomes.ended(PulseEnded(100 * MS, 100 * MS, 100 * MS + 5_000, 134 * MS))
    assert (settled.at_ns, settled.width_us) == (100 * MS + 5_000, 33_995)
    assert fates([settled]) == [(1, "EJECTED", "VERDICT")]


def test_good_parts_in_a_pulse_that_ended_late_are_ejected_by_overrun():
    outcomes = Outcomes(pulse_ns=PULSE)
    outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS))
    late = [passed(2, 110 * MS), passed(3, 129 * MS), passed(4, 130 * MS)]
    assert [outcomes.passed(one, 130 * MS) for one in late] == [[], [], []]
    settled = outcomes.ended(PulseEnded(100 * MS, 100 * MS, 100 * MS, 130 * MS))
    assert fates(settled) == [
        (2, "EJECTED", "OVERRUN"),
        (3, "EJECTED", "OVERRUN"),
        (4, "PASSED", "VERDICT"),
    ]
    assert [(one.at_ns, one.width_us) for one in settled[:2]] == [
        (110 * MS, 20_000),
        (129 * MS, 1_000),
    ]


def test_a_loop_that_was_stopped_reports_its_parts_after_the_guard_has_ended_the_pulse():
    outcomes = Outcomes(pulse_ns=PULSE)
    outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS))
    outcomes.ended(PulseEnded(100 * MS, 100 * MS, 100 * MS, 104 * MS))
    assert outcomes.ended(PulseEnded(100 * MS, 100 * MS, 100 * MS, 130 * MS)) == []  # the loop's
    parts = [passed(2, 103 * MS), passed(3, 110 * MS), report(4, 120 * MS, Action.MISSED)]
    assert fates([one for part in parts for one in outcomes.passed(part, 130 * MS)]) == [
        (2, "EJECTED", "OVERRUN"),
        (3, "PASSED", "VERDICT"),
        (4, "MISSED", "VERDICT"),
    ]


def test_a_part_to_be_ejected_that_passed_in_an_open_ejector_was_ejected():
    outcomes = Outcomes(pulse_ns=PULSE)
    outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS))
    outcomes.passed(report(2, 110 * MS, Action.MISSED), 130 * MS)
    settled = outcomes.ended(PulseEnded(100 * MS, 100 * MS, 100 * MS, 130 * MS))
    assert fates(settled) == [(2, "EJECTED", "VERDICT")]


def test_a_switch_that_was_held_up_beyond_the_window_has_missed_its_part():
    outcomes = Outcomes(pulse_ns=PULSE)
    outcomes.began(PulseBegan(100 * MS, 129 * MS, 130 * MS))
    outcomes.passed(ejected(1, 100 * MS), 130 * MS)
    outcomes.passed(passed(2, 128 * MS), 130 * MS)
    outcomes.passed(passed(3, 129 * MS), 130 * MS)  # it may have been active already
    settled = outcomes.ended(PulseEnded(100 * MS, 129 * MS, 130 * MS, 130 * MS + 1))
    assert fates(settled) == [
        (1, "MISSED", "VERDICT"),
        (2, "PASSED", "VERDICT"),
        (3, "EJECTED", "OVERRUN"),
    ]


def test_a_pulse_whose_processes_are_dead_ended_by_now():
    outcomes = Outcomes(pulse_ns=PULSE)
    outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS))
    outcomes.passed(ejected(1, 100 * MS), 101 * MS)
    (settled,) = outcomes.cut(150 * MS)
    assert settled.width_us == 50_000
    assert fates(outcomes.passed(passed(2, 120 * MS, Cause.REJECTOR_DOWN), 160 * MS)) == [
        (2, "EJECTED", "OVERRUN")
    ]
    assert outcomes.cut(170 * MS) == []


def test_an_end_that_never_came_is_no_later_than_the_next_beginning():
    outcomes = Outcomes(pulse_ns=PULSE)
    outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS))
    outcomes.passed(passed(1, 150 * MS), 151 * MS)
    settled = outcomes.began(PulseBegan(200 * MS, 200 * MS, 200 * MS))
    assert fates(settled) == [(1, "EJECTED", "OVERRUN")]


def test_a_pulse_without_an_end_in_sight_holds_no_report_for_longer_than_a_second():
    outcomes = Outcomes(pulse_ns=PULSE)
    outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS))
    outcomes.passed(passed(1, 110 * MS), 110 * MS)
    assert outcomes.overdue(1_110 * MS) == []
    (settled,) = outcomes.overdue(1_115 * MS)
    assert (fates([settled]), settled.width_us) == ([(1, "EJECTED", "OVERRUN")], 1_005_000)


def test_parts_without_a_moment_are_left_as_they_are():
    outcomes = Outcomes(pulse_ns=PULSE, by_counts=True)
    outcomes.began(PulseBegan(100 * MS, 100 * MS, 100 * MS))
    for one in (
        passed(1, 101 * MS, Cause.POSITION_LOST),
        passed(2, 101 * MS, Cause.REJECTOR_DOWN),
        report(3, 101 * MS, Action.NO_PART, Cause.BACKWARD),
    ):
        assert outcomes.passed(one, 102 * MS) == [one]
