"""The rules and the states of alarms, as whole histories."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from central.alarms.rules import (
    DEFAULTS,
    RULES,
    VALUES,
    CentralFacts,
    Condition,
    CusumState,
    DrillFacts,
    RaisedDrift,
    StationFacts,
    central_conditions,
    check_value,
    drill_conditions,
    station_conditions,
)
from central.alarms.states import AlarmRecord, acknowledge, step_alarm
from central.figures.cusum import design_cusum
from central.store.queries import PartCounts

SECOND, MINUTE, DAY = 1_000_000, 60_000_000, 86_400_000_000
NOW = 1_800_000_000_000_000
CALM = StationFacts(7, "press-1", "online", NOW)


def rules_of(facts: StationFacts, **values: float) -> list[tuple[str, bool]]:
    changed = {name.replace("_", "."): value for name, value in values.items()}
    found = station_conditions(facts, {**DEFAULTS, **changed}, NOW)
    return [(each.rule, each.is_present) for each in found]


def parts(inspected: int, rejected: int = 0, unknown: int = 0) -> PartCounts:
    return PartCounts(inspected, inspected - rejected - unknown, rejected, unknown)


def test_a_station_in_order_has_no_condition() -> None:
    assert rules_of(CALM) == []
    assert rules_of(replace(CALM, recent=parts(1000, 100, 10))) == []


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (parts(1000, 300), [("reject-rate", True)]),
        # Above the limit of 15 %, but by chance perhaps: an alarm lasts and none begins.
        (parts(20, 4), [("reject-rate", False)]),
        (parts(1000, 130), [("reject-rate", False)]),
        (parts(1000, 110), []),
        (parts(1000, 0, 60), [("unknown-rate", True)]),
        (parts(0), []),
    ],
)
def test_rates_need_a_bound_above_the_limit(
    counts: PartCounts, expected: list[tuple[str, bool]]
) -> None:
    assert rules_of(replace(CALM, recent=counts)) == expected


def test_the_values_of_rates_are_used() -> None:
    facts = replace(CALM, recent=parts(1000, 300, 60))
    assert rules_of(facts, reject_limit=50, unknown_limit=50) == []
    few = replace(CALM, recent=parts(40, 12))
    assert rules_of(few) == [("reject-rate", False)]
    assert rules_of(few, rate_confidence=90) == [("reject-rate", True)]


def test_other_rules() -> None:
    facts = replace(
        CALM,
        missed=2,
        drifts=(RaisedDrift("focus", "sharpness", "mild"), RaisedDrift("dirt", "lens", "severe")),
        failed_test="golden/1.png: severity 3.0 instead of 8.1",
        escapes=(11, 12),
        conflicts=4,
        heard_us=NOW - 6 * MINUTE,
    )
    found = station_conditions(facts, DEFAULTS, NOW)
    assert [(each.rule, each.subject, each.severity) for each in found] == [
        ("not-ejected", "", "critical"),
        ("silent", "", "critical"),
        ("drift", "focus sharpness", "warning"),
        ("drift", "dirt lens", "critical"),
        ("self-test", "", "critical"),
        ("escape", "11", "critical"),
        ("escape", "12", "critical"),
        ("copied", "", "warning"),
    ]
    assert {each.rule for each in found} <= set(RULES)
    assert ("silent", True) not in rules_of(facts, silent_minutes=7)
    # A station that never sent anything is not silent.
    assert rules_of(replace(CALM, heard_us=None)) == []


def test_a_sum_at_its_limit_is_a_shift_and_one_above_half_of_it_keeps_one() -> None:
    design = design_cusum(0.02, 0.04, 50_000)
    for total, expected in (
        (design.limit, [("reject-shift", True)]),
        (design.limit // 2 + 1, [("reject-shift", False)]),
        (design.limit // 2 - 1, []),
    ):
        assert rules_of(replace(CALM, cusum=CusumState(design, total))) == expected


def test_disk_and_certificates_of_the_central_system() -> None:
    facts = CentralFacts(
        0.02, {"a.pem": NOW + 2 * DAY, "b.pem": NOW + 29 * DAY, "c": NOW + 40 * DAY}
    )
    found = central_conditions(facts, DEFAULTS, NOW)
    assert [(each.rule, each.subject, each.severity) for each in found] == [
        ("disk", "", "critical"),
        ("certificate", "a.pem", "critical"),
        ("certificate", "b.pem", "warning"),
    ]
    longer = {**DEFAULTS, "certificate.days": 50, "disk.free": 1}
    found = central_conditions(facts, longer, NOW)
    assert [each.subject for each in found] == ["a.pem", "b.pem", "c"]
    assert [each.is_present for each in central_conditions(CentralFacts(0.11), DEFAULTS, NOW)] == [
        False
    ]
    assert central_conditions(CentralFacts(0.2), DEFAULTS, NOW) == ()
    expired = central_conditions(CentralFacts(None, {"a": NOW - DAY}), DEFAULTS, NOW)
    assert expired[0].message == "the certificate a has expired"


def test_certificates_and_disks_of_a_station() -> None:
    facts = replace(
        CALM,
        certificates={"tls_ca": NOW + 40 * DAY, "tls_cert": NOW + 2 * DAY},
        disks={"pictures": 0.5, "state": 0.04},
    )
    found = station_conditions(facts, DEFAULTS, NOW)
    assert [(each.rule, each.station_id, each.subject, each.severity) for each in found] == [
        ("certificate", 7, "tls_cert", "critical"),
        ("disk", 7, "state", "warning"),
    ]
    assert found[1].message == "the disk of the folder state has 4.0 % free"
    longer = {**DEFAULTS, "certificate.days": 41, "disk.station": 1}
    assert [each.subject for each in station_conditions(facts, longer, NOW)] == [
        "tls_ca",
        "tls_cert",
    ]
    # Between the limit and 1.25 times of it an alarm lasts, and none begins.
    assert rules_of(replace(CALM, disks={"state": 0.06})) == [("disk", False)]
    assert rules_of(replace(CALM, disks={"state": 0.07})) == []


def test_false_alarms_of_the_rate_rule_in_simulated_months() -> None:
    # 40 stations for 30 days, 20 parts a minute, at 12 % with a limit of 15 %: windows of 30 min
    # that overlap by 25 min. The bound has 99.9 %, so that the limit itself gives 1 of 1,000.
    random = np.random.default_rng(2)
    alarms = 0
    for _ in range(40):
        fives = random.binomial(100, 0.12, 30 * 24 * 12)
        windows = np.convolve(fives, np.ones(6, int), "valid")
        for rejected in np.unique(windows):
            facts = replace(CALM, recent=parts(600, int(rejected)))
            if ("reject-rate", True) in rules_of(facts):
                alarms += int((windows == rejected).sum())
    assert alarms <= 20  # of 345,000 windows


CONDITION = Condition("silent", 7, "", "critical", "no message for 6 minutes")


def history(*steps: tuple[int, Condition | None]) -> list[tuple[str | None, str | None]]:
    """The state and the notice after each step; steps: seconds since the first one."""
    alarm: AlarmRecord | None = None
    found: list[tuple[str | None, str | None]] = []
    for second, condition in steps:
        step = step_alarm(alarm, condition, DEFAULTS, NOW + second * SECOND)
        alarm = step.alarm
        found.append((alarm.state if alarm else None, step.notice))
    return found


def test_an_alarm_from_its_first_sign_to_its_end() -> None:
    assert history(
        (0, CONDITION),
        (29, CONDITION),
        (30, CONDITION),
        (60, CONDITION),
        (100, None),
        (179, None),
        (180, None),
    ) == [
        ("pending", None),
        ("pending", None),
        ("firing", "firing"),
        ("firing", None),
        ("firing", None),
        ("firing", None),
        ("resolved", "resolved"),
    ]


def test_a_condition_that_does_not_last_is_no_alarm() -> None:
    assert history((0, CONDITION), (10, None), (40, CONDITION)) == [
        ("pending", None),
        (None, None),
        ("pending", None),
    ]


def test_between_two_limits_an_alarm_lasts_and_none_begins() -> None:
    near = replace(CONDITION, is_present=False)
    assert history((0, near)) == [(None, None)]
    assert history((0, CONDITION), (5, near)) == [("pending", None), (None, None)]
    steps = history((0, CONDITION), (30, CONDITION), (400, near), (510, None), (520, None))
    assert [each[0] for each in steps] == ["pending", "firing", "firing", "firing", "resolved"]


def test_an_alarm_escalates_once_unless_it_is_acknowledged() -> None:
    half_hour = 30 + 30 * 60
    assert history(
        (0, CONDITION), (30, CONDITION), (half_hour, CONDITION), (half_hour + 5, CONDITION)
    ) == [
        ("pending", None),
        ("firing", "firing"),
        ("firing", "escalated"),
        ("firing", None),
    ]
    firing = step_alarm(None, CONDITION, {**DEFAULTS, "alarm.pending": 0}, NOW).alarm
    assert firing is not None
    known = acknowledge(firing, "ada", "I look", NOW + SECOND)
    assert (known.state, known.acknowledged_by, known.note) == ("acknowledged", "ada", "I look")
    later = step_alarm(known, CONDITION, DEFAULTS, NOW + half_hour * SECOND)
    assert later.notice is None
    with pytest.raises(ValueError, match="acknowledged"):
        acknowledge(known, "bob", "", NOW)
    ended = step_alarm(later.alarm, None, DEFAULTS, NOW + (half_hour + 200) * SECOND)
    assert ended.notice == "resolved"


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    steps = history((0, CONDITION), (30, CONDITION), (-500, CONDITION), (-400, None), (31, None))
    assert steps == [
        ("pending", None),
        ("firing", "firing"),
        ("firing", None),
        ("firing", None),
        ("firing", None),
    ]


@pytest.mark.parametrize("value", VALUES, ids=lambda each: each.name)
def test_values_have_limits(value: object) -> None:
    from central.alarms.rules import RuleValue

    assert isinstance(value, RuleValue)
    assert check_value(value.name, value.default) is value
    for wrong in (value.least - 0.001, value.most * 1.1, float("nan")):
        with pytest.raises(ValueError, match="expected"):
            check_value(value.name, wrong)
    with pytest.raises(ValueError, match="no value"):
        check_value("reject.nothing", 1)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DrillFacts(), []),  # there is no data yet
        (DrillFacts(NOW - 2 * DAY), []),
        (DrillFacts(NOW - 2 * DAY - 1), [("overdue", "no restore drill has succeeded for 2 days")]),
        (DrillFacts(NOW, "x is damaged"), [("failed", "the restore drill failed: x is damaged")]),
        (
            DrillFacts(NOW - 9 * DAY, "x"),
            [
                ("failed", "the restore drill failed: x"),
                ("overdue", "no restore drill has succeeded for 9 days"),
            ],
        ),
    ],
)
def test_a_failed_or_overdue_drill_is_a_condition(
    facts: DrillFacts, expected: list[tuple[str, str]]
) -> None:
    found = drill_conditions(facts, DEFAULTS, NOW)
    assert [(each.subject, each.message) for each in found] == expected
    assert all((each.rule, each.severity) == ("restore-drill", "critical") for each in found)
    assert drill_conditions(replace(facts, fault=""), {**DEFAULTS, "drill.days": 10}, NOW) == ()
