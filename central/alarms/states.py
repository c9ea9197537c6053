"""The states of an alarm: pending, firing, acknowledged and resolved. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from central.alarms.place_rules import place_of
from central.alarms.rules import Condition, Severity

AlarmState = Literal["pending", "firing", "acknowledged", "resolved"]
Notice = Literal["firing", "escalated", "resolved"]
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """An alarm from its first sign to its end. Times are microseconds since 1970 UTC.

    number: None where it is not stored yet. seen_us: the latest time with its condition.
    """

    number: int | None
    rule: str
    station_id: int
    subject: str
    state: AlarmState
    severity: Severity
    message: str
    since_us: int
    seen_us: int
    fired_us: int | None = None
    escalated_us: int | None = None
    acknowledged_by: str = ""
    acknowledged_us: int | None = None
    note: str = ""
    resolved_us: int | None = None

    @property
    def place(self) -> str:
        """Return the line (PLANT/LINE) or plant; empty for a station or the central system."""
        return place_of(self.rule, self.subject)

    @property
    def key(self) -> tuple[str, int, str]:
        """Return the identity of the condition."""
        return self.rule, self.station_id, self.subject


@dataclass(frozen=True, slots=True)
class AlarmStep:
    """The result of one evaluation. alarm: None: nothing to keep. notice: None: no message."""

    alarm: AlarmRecord | None
    notice: Notice | None = None


def step_alarm(
    alarm: AlarmRecord | None,
    condition: Condition | None,
    values: Mapping[str, float],
    now_us: int,
) -> AlarmStep:
    """Return the alarm after an evaluation. alarm, condition: of one key; None: there is none.

    A condition becomes an alarm after ``alarm.pending``. An alarm ends after ``alarm.clear``
    without the condition, and escalates after ``alarm.escalate`` without an acknowledgement. A
    clock that was set back delays these steps and repeats none.
    """
    if alarm is None:
        if condition is None or not condition.is_present:
            return AlarmStep(None)
        alarm = AlarmRecord(
            None,
            condition.rule,
            condition.station_id,
            condition.subject,
            "pending",
            condition.severity,
            condition.message,
            now_us,
            now_us,
        )
    elif condition is not None and (condition.is_present or alarm.state != "pending"):
        alarm = replace(
            alarm,
            severity=condition.severity,
            message=condition.message,
            seen_us=max(alarm.seen_us, now_us),
        )
    elif alarm.state == "pending":
        return AlarmStep(None)
    elif now_us - alarm.seen_us >= values["alarm.clear"] * _SECOND_US:
        return AlarmStep(replace(alarm, state="resolved", resolved_us=now_us), "resolved")
    else:
        return AlarmStep(alarm)
    if alarm.state == "pending" and now_us - alarm.since_us >= values["alarm.pending"] * _SECOND_US:
        return AlarmStep(replace(alarm, state="firing", fired_us=now_us), "firing")
    return _escalate(alarm, values, now_us)


def _escalate(alarm: AlarmRecord, values: Mapping[str, float], now_us: int) -> AlarmStep:
    if alarm.state != "firing" or alarm.escalated_us is not None or alarm.fired_us is None:
        return AlarmStep(alarm)
    if now_us - alarm.fired_us < values["alarm.escalate"] * 60 * _SECOND_US:
        return AlarmStep(alarm)
    return AlarmStep(replace(alarm, escalated_us=now_us), "escalated")


def acknowledge(alarm: AlarmRecord, by: str, note: str, now_us: int) -> AlarmRecord:
    """Return the alarm as acknowledged. Raises ValueError for one that does not fire."""
    if alarm.state != "firing":
        raise ValueError(f"this alarm is {alarm.state}; only a firing one can be acknowledged")
    return replace(
        alarm, state="acknowledged", acknowledged_by=by, acknowledged_us=now_us, note=note
    )
