"""The rows of alarms, mutes and values of rules in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from central.alarms.place_rules import PLACE_RULES
from central.alarms.rules import CENTRAL, DEFAULTS, RULES, check_value
from central.alarms.states import AlarmRecord, acknowledge
from central.store.bulk import inserted_number
from central.store.judgements import MAX_NOTE_CHARS, JudgementError
from central.store.place_stations import covers, places_within, read_place_stations
from central.store.plant_tables import alarms, mutes, rule_values
from central.store.rows import storable_text
from central.store.tables import stations

ALL_RULES = (*RULES, *PLACE_RULES)
_LONGEST_MUTE_US = 30 * 86_400_000_000
_COLUMNS = tuple(each.name for each in fields(AlarmRecord) if each.name != "number")


@dataclass(frozen=True, slots=True)
class ShownAlarm:
    """An alarm with the name of its station, or its line or plant (PLANT/LINE or PLANT).

    Both are empty for the central system.
    """

    alarm: AlarmRecord
    station: str
    place: str = ""

    @property
    def where(self) -> str:
        """Return the station or place, for people."""
        return self.station or self.place or "central system"


@dataclass(frozen=True, slots=True)
class Mute:
    """The end of messages about a rule at a station, or at a line or plant with its stations.

    place: PLANT/LINE or PLANT. station, place: both empty: everywhere.
    """

    number: int
    rule: str
    station: str
    until_us: int
    reason: str
    made_by: str
    place: str = ""


def read_open_alarms(connection: Connection) -> tuple[AlarmRecord, ...]:
    """Return the alarms that are not resolved, and those that are pending."""
    statement = select(alarms).where(alarms.c.resolved_us.is_(None))
    return tuple(_record(row) for row in connection.execute(statement).mappings())


def read_alarms(
    connection: Connection,
    names: frozenset[str] | None = None,
    *,
    is_open: bool = True,
    limit: int = 200,
) -> tuple[ShownAlarm, ...]:
    """Return alarms for people, without pending ones: critical and recent ones first.

    names: of stations, and of places with no other stations; None: all, and the central system.
    is_open: those that last; otherwise the
    resolved ones, latest first.
    """
    statement = (
        select(alarms, stations.c.name.label("station"))
        .outerjoin(stations, stations.c.id == alarms.c.station_id)
        .limit(limit)
    )
    if is_open:
        statement = statement.where(
            alarms.c.resolved_us.is_(None), alarms.c.state != "pending"
        ).order_by(alarms.c.state.desc(), alarms.c.severity, alarms.c.since_us.desc())
    else:
        statement = statement.where(alarms.c.resolved_us.is_not(None)).order_by(
            alarms.c.since_us.desc()
        )
    if names is not None:
        places = places_within(connection, names)
        of_places = and_(alarms.c.rule.in_(PLACE_RULES), alarms.c.subject.in_(places))
        statement = statement.where(or_(stations.c.name.in_(sorted(names)), of_places))
    return tuple(_shown(row) for row in connection.execute(statement).mappings())


def save_alarm(connection: Connection, alarm: AlarmRecord) -> int:
    """Store an alarm and return its number."""
    values = {name: getattr(alarm, name) for name in _COLUMNS}
    values["subject"] = storable_text(alarm.subject, 200)
    values["message"] = storable_text(alarm.message)
    if alarm.number is None:
        return inserted_number(connection.execute(alarms.insert().values(values)))
    connection.execute(update(alarms).where(alarms.c.id == alarm.number).values(values))
    return alarm.number


def drop_alarm(connection: Connection, number: int) -> None:
    """Remove a pending alarm whose condition did not last."""
    connection.execute(delete(alarms).where(alarms.c.id == number))


def find_alarm(connection: Connection, number: int) -> ShownAlarm:
    """Return an alarm. Raises JudgementError where there is none."""
    row = (
        connection.execute(
            select(alarms, stations.c.name.label("station"))
            .outerjoin(stations, stations.c.id == alarms.c.station_id)
            .where(alarms.c.id == number)
        )
        .mappings()
        .first()
    )
    if row is None:
        raise JudgementError("there is no alarm with this number")
    return _shown(row)


def acknowledge_alarm(connection: Connection, number: int, by: str, note: str, now_us: int) -> None:
    """Acknowledge a firing alarm. Raises JudgementError for another one."""
    if len(note) > MAX_NOTE_CHARS:
        raise JudgementError(f"a note has at most {MAX_NOTE_CHARS} characters")
    found = find_alarm(connection, number).alarm
    try:
        save_alarm(connection, acknowledge(found, by, storable_text(note), now_us))
    except ValueError as error:
        raise JudgementError(str(error)) from error


def add_mute(connection: Connection, mute: Mute, now_us: int) -> None:
    """Mute a rule. number: not used. Raises JudgementError for a wrong rule, station or time."""
    if mute.rule not in ALL_RULES:
        raise JudgementError(f"expected one of {', '.join(ALL_RULES)}")
    if mute.place and mute.place not in read_place_stations(connection):
        raise JudgementError("there is no line or plant with this name that has stations")
    if mute.place and mute.station:
        raise JudgementError("a mute names a station or a place")
    if not mute.reason.strip() or len(mute.reason) > MAX_NOTE_CHARS:
        raise JudgementError(f"a mute has a reason of at most {MAX_NOTE_CHARS} characters")
    if not 0 < mute.until_us - now_us <= _LONGEST_MUTE_US:
        raise JudgementError("a mute ends within 30 days")
    number = CENTRAL
    if mute.station:
        found = connection.execute(
            select(stations.c.id).where(stations.c.name == mute.station)
        ).scalar()
        if found is None:
            raise JudgementError("there is no station with this name")
        number = int(found)
    row = {
        "rule": mute.rule,
        "station_id": number,
        "place": mute.place,
        "until_us": mute.until_us,
        "reason": storable_text(mute.reason),
        "made_by": mute.made_by,
        "made_us": now_us,
    }
    connection.execute(mutes.insert().values(row))


def end_mute(connection: Connection, number: int, now_us: int) -> None:
    """End a mute now. Raises JudgementError where none has this number."""
    done = connection.execute(
        update(mutes).where(mutes.c.id == number, mutes.c.until_us > now_us).values(until_us=now_us)
    )
    if not done.rowcount:
        raise JudgementError("there is no mute with this number")


def read_mutes(connection: Connection, now_us: int) -> tuple[Mute, ...]:
    """Return the mutes that last, in the order of their end."""
    statement = (
        select(
            mutes.c.id,
            mutes.c.rule,
            func.coalesce(stations.c.name, ""),
            mutes.c.until_us,
            mutes.c.reason,
            mutes.c.made_by,
            mutes.c.place,
        )
        .outerjoin(stations, stations.c.id == mutes.c.station_id)
        .where(mutes.c.until_us > now_us)
        .order_by(mutes.c.until_us)
    )
    return tuple(Mute(*row) for row in connection.execute(statement))


def is_muted(connection: Connection, alarm: AlarmRecord, station: str, now_us: int) -> bool:
    """Return whether messages about an alarm are muted.

    A mute holds at its station, or at its line or plant with everything in it, or everywhere.
    station: the name of the alarm's station; empty: it has none.
    """
    rows = connection.execute(
        select(mutes.c.station_id, mutes.c.place).where(
            mutes.c.rule == alarm.rule, mutes.c.until_us > now_us
        )
    ).all()
    if not rows:
        return False
    own = [alarm.place] if alarm.place else []
    if station:
        own = [
            place for place, names in read_place_stations(connection).items() if station in names
        ]
    for station_id, place in rows:
        if place:
            if any(covers(place, each) for each in own):
                return True
        elif station_id in (CENTRAL, alarm.station_id):
            return True
    return False


def read_values(connection: Connection) -> dict[str, float]:
    """Return the values of the rules: the defaults, and what people have changed."""
    statement = select(rule_values.c.name, rule_values.c.value).order_by(rule_values.c.id)
    found = {name: value for name, value in connection.execute(statement) if name in DEFAULTS}
    return {**DEFAULTS, **found}


def write_value(connection: Connection, name: str, value: float, by: str, now_us: int) -> None:
    """Change a value of the rules. Raises JudgementError for a wrong name or number."""
    try:
        check_value(name, value)
    except ValueError as error:
        raise JudgementError(str(error)) from error
    row = {"name": name, "value": value, "made_by": by, "made_us": now_us}
    connection.execute(rule_values.insert().values(row))


def _shown(row: Mapping[str, Any] | Any) -> ShownAlarm:
    alarm = _record(row)
    return ShownAlarm(alarm, row["station"] or "", alarm.place)


def _record(row: Mapping[str, Any] | Any) -> AlarmRecord:
    return AlarmRecord(number=row["id"], **{name: row[name] for name in _COLUMNS})
