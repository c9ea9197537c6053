"""The outbox: messages about alarms, stored with the alarm, sent later, and sent again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from central.alarms.states import AlarmRecord, Notice
from central.store.database import Database
from central.store.plant_tables import outbox
from central.store.rows import storable_text
from edge.validation_messages import one_line

MAX_ATTEMPTS = 40
"""They take some 31 hours."""

_LEASE_US = 120_000_000
_FIRST_PAUSE_US = 5_000_000
_LONGEST_PAUSE_US = 3_600_000_000
_BATCH = 20


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A message that is to be sent. key: the same for each repeat. payload: JSON."""

    number: int
    key: str
    channel: str
    payload: str
    attempts: int


@dataclass(frozen=True, slots=True)
class OutboxState:
    """The numbers of messages that wait, and that were given up; the reason of the last failure."""

    waiting: int
    given_up: int
    last_fault: str


def add_notices(
    connection: Connection,
    alarm: AlarmRecord,
    station: str,
    notice: Notice,
    channels: Iterable[str],
    now_us: int,
) -> None:
    """Store a message for each channel, in the transaction that changes the alarm."""
    key = f"outfeed-alarm-{alarm.number}-{alarm.since_us}-{notice}"
    payload = {
        "type": "outfeed.alarm/1",
        "key": key,
        "alarm": alarm.number,
        "change": notice,
        "rule": alarm.rule,
        "station": station,
        "place": alarm.place,
        "subject": alarm.subject,
        "severity": alarm.severity,
        "message": alarm.message,
        "since_us": alarm.since_us,
        "at_us": now_us,
    }
    for channel in channels:
        row = {
            "key": key,
            "channel": channel,
            "alarm_id": alarm.number,
            "payload": json.dumps(payload, ensure_ascii=True, sort_keys=True),
            "made_us": now_us,
            "next_us": now_us,
        }
        connection.execute(outbox.insert().values(row))


def take_due(database: Database, now_us: int) -> tuple[OutboxMessage, ...]:
    """Return messages that are due, and reserve them for two minutes.

    A process that is killed meanwhile leaves them to the next one, which may send a message a
    second time with the same key. Blocks. Raises the errors of SQLAlchemy.
    """
    columns = ("id", "key", "channel", "payload", "attempts")
    with database.write() as connection:
        statement = (
            select(*(outbox.c[name] for name in columns))
            .where(outbox.c.done_us == 0, outbox.c.next_us <= now_us)
            .order_by(outbox.c.next_us)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        found = tuple(OutboxMessage(*row) for row in connection.execute(statement))
        if found:
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_([each.number for each in found]))
                .values(next_us=now_us + _LEASE_US, attempts=outbox.c.attempts + 1)
            )
    return found


def settle(database: Database, message: OutboxMessage, fault: str, now_us: int) -> None:
    """Note the result of an attempt. fault: empty: it was sent.

    The pause to the next attempt doubles from 5 s to an hour. After ``MAX_ATTEMPTS`` the message is
    given up. Raises the errors of SQLAlchemy.
    """
    values: dict[str, object] = {"fault": storable_text(one_line(fault), 300)}
    if not fault or message.attempts + 1 >= MAX_ATTEMPTS:
        values["done_us"] = now_us
    else:
        values["next_us"] = now_us + pause_us(message.attempts)
    with database.write() as connection:
        connection.execute(update(outbox).where(outbox.c.id == message.number).values(values))


def pause_us(attempts: int) -> int:
    """Return the pause after a failure. attempts: those before it."""
    return min(_LONGEST_PAUSE_US, _FIRST_PAUSE_US << min(attempts, 20))


def read_outbox(connection: Connection) -> OutboxState:
    """Return the state of the outbox."""
    waiting = connection.execute(select(func.count()).where(outbox.c.done_us == 0)).scalar_one()
    given_up = connection.execute(
        select(func.count()).where(outbox.c.done_us > 0, outbox.c.fault != "")
    ).scalar_one()
    fault = connection.execute(
        select(outbox.c.fault).where(outbox.c.fault != "").order_by(outbox.c.id.desc()).limit(1)
    ).scalar()
    return OutboxState(int(waiting), int(given_up), fault or "")


def forget_done(database: Database, before_us: int) -> None:
    """Remove messages that were done before a time. Raises the errors of SQLAlchemy."""
    with database.write() as connection:
        connection.execute(delete(outbox).where(outbox.c.done_us > 0, outbox.c.done_us < before_us))
