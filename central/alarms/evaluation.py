"""One evaluation of all rules, in one transaction with the messages about its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection, text

from central.alarms.facts import read_drill_facts, read_facts
from central.alarms.outbox import add_notices
from central.alarms.place_rules import gather_places, place_conditions
from central.alarms.records import (
    drop_alarm,
    is_muted,
    read_open_alarms,
    read_values,
    save_alarm,
)
from central.alarms.rules import (
    CentralFacts,
    Condition,
    central_conditions,
    drill_conditions,
    station_conditions,
)
from central.alarms.states import step_alarm
from central.store.database import Database
from central.store.place_stations import read_place_stations

# The key of PostgreSQL's advisory lock for the evaluation; any fixed number serves.
_LOCK = 0x6F7574616C726D


def evaluate(
    database: Database, own: CentralFacts, channels: Iterable[str], now_us: int
) -> Counter[str]:
    """Evaluate all rules, store the alarms and the messages, and return the numbers of notices.

    own: facts of the central system. channels: those to which messages go. Several processes may
    call this: one of them evaluates, and the others return at once. Nothing is stored by half.
    Blocks. Raises the errors of SQLAlchemy.
    """
    with database.write() as connection:
        if (
            database.is_postgresql
            and not connection.execute(
                text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}
            ).scalar()
        ):
            return Counter()
        values = read_values(connection)
        conditions: list[Condition] = [*central_conditions(own, values, now_us)]
        if own.expects_drills:
            conditions.extend(drill_conditions(read_drill_facts(connection), values, now_us))
        names = {0: ""}
        recent = {}
        for facts in read_facts(connection, values, now_us):
            names[facts.station_id] = facts.name
            recent[facts.name] = facts.recent
            conditions.extend(station_conditions(facts, values, now_us))
        for each in gather_places(read_place_stations(connection), recent):
            conditions.extend(place_conditions(each, values))
        return _step_all(connection, conditions, names, tuple(channels), values, now_us)


def _step_all(
    connection: Connection,
    conditions: list[Condition],
    names: dict[int, str],
    channels: tuple[str, ...],
    values: dict[str, float],
    now_us: int,
) -> Counter[str]:
    present = {each.key: each for each in conditions}
    alarms = {each.key: each for each in read_open_alarms(connection)}
    notices: Counter[str] = Counter()
    for key in sorted(present.keys() | alarms.keys()):
        before = alarms.get(key)
        step = step_alarm(before, present.get(key), values, now_us)
        if step.alarm is None:
            if before is not None and before.number is not None:
                drop_alarm(connection, before.number)
            continue
        after = step.alarm
        if after != before:
            after = replace(after, number=save_alarm(connection, after))
        if step.notice is not None:
            notices[step.notice] += 1
            station = names.get(after.station_id, "")
            if not is_muted(connection, after, station, now_us):
                add_notices(connection, after, station, step.notice, channels, now_us)
    return notices
