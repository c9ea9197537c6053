"""Commands to stations: a person asks, the owner of an operator key signs, the station answers.

This system has no private key. It stores the wish, takes the signed command, and publishes it
until the station answers. The station decides (docs/decisions/0068-signed-commands.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, func, select, update

from central.access.audit import Actor, AuditedChange
from central.store.command_tables import commands
from central.store.commands import find_command, read_new_answers, read_place
from central.store.database import Database
from central.store.judgements import JudgementError, station_number
from edge.bundle.keys import key_id
from edge.commands.message import (
    MAX_COMMANDS,
    MAX_LIFE_S,
    CommandAction,
    CommandBody,
    SignedCommand,
)
from edge.errors import UsageError
from edge.validation_messages import describe

MAX_DAYS = MAX_LIFE_S // 86_400 - 1
"""One day below the limit of stations, because clocks differ."""
_DAY_US = 86_400_000_000
_ACTION: TypeAdapter[CommandAction] = TypeAdapter(CommandAction)


@dataclass(frozen=True, slots=True)
class CommandWish:
    """A command that a person asks for. days: the time in which it may be signed and executed."""

    station: str
    action: CommandAction
    days: int


def read_action(text: str) -> CommandAction:
    """Return the action of a JSON text. Raises UsageError with one line."""
    try:
        return _ACTION.validate_json(text)
    except ValidationError as error:
        raise UsageError(f"not an action of a command: {describe(error)}") from error


def ask_for_command(change: AuditedChange, wish: CommandWish) -> int:
    """Store a command that waits for its signature. Return its number. Raises UsageError."""
    if not 1 <= wish.days <= MAX_DAYS:
        raise UsageError(f"days: expected 1 to {MAX_DAYS}")
    place = read_place(change.connection, wish.station)
    number = _station(change.connection, wish.station)
    _check_space(change.connection, number, change.now_us)
    expires_us = change.now_us + wish.days * _DAY_US
    row = {
        "station_id": number,
        "kind": wish.action.kind,
        "action": wish.action.model_dump_json(),
        "journal": place.journal,
        "run": place.run,
        "expires_us": expires_us // 1_000_000 * 1_000_000,
        "state": "waiting",
        "asked_by": change.actor.name,
        "asked_us": change.now_us,
    }
    made = change.connection.execute(commands.insert().values(row).returning(commands.c.id))
    command = int(made.scalar_one())
    detail = {"command": command, "action": wish.action.model_dump()}
    change.record("command.asked", wish.station, detail)
    return command


def unsigned_text(connection: Connection, station: str, number: int, now_us: int) -> str:
    """Return the text that ``outfeed-central command sign`` takes. Raises UsageError."""
    found = find_command(connection, station, number, now_us)
    if found is None:
        raise UsageError(f"the station has no command {number}")
    if found.state != "waiting":
        raise UsageError(f"command {number} is {found.state}, and no longer waits for a signature")
    fields = {
        "station": station,
        "journal": found.journal,
        "run": found.run,
        "expires": found.expires_us // 1_000_000,
        "action": json.loads(found.action),
    }
    return json.dumps(fields, indent=1) + "\n"


def take_signed(change: AuditedChange, station: str, command: SignedCommand) -> int:
    """Store a signed command for publication. Return its number. Raises UsageError.

    It is attached to the wish that it fits. A command that was made elsewhere is stored as it is.
    """
    body = command.read()
    _check_signed(body, station, command, change.now_us)
    number = _station(change.connection, station)
    known = change.connection.execute(
        select(commands.c.id).where(commands.c.command_id == command.command_id)
    ).scalar()
    if known is not None:
        raise UsageError(f"this command is stored already, as number {known}")
    values = {
        "state": "signed",
        "signed": command.model_dump_json(),
        "command_id": command.command_id,
        "key": key_id(command.key),
        "counter": body.counter,
        "signed_by": change.actor.name,
        "signed_us": change.now_us,
    }
    place = {
        "station_id": number,
        "action": body.action.model_dump_json(),
        "journal": body.journal,
        "run": body.run,
        "expires_us": body.expires * 1_000_000,
    }
    wish = change.connection.execute(
        select(commands.c.id)
        .where(*(commands.c[name] == value for name, value in place.items()))
        .where(commands.c.state == "waiting")
        .order_by(commands.c.id)
        .limit(1)
    ).scalar()
    if wish is None:
        _check_space(change.connection, number, change.now_us)
        row = {
            **place,
            **values,
            "kind": body.action.kind,
            "asked_by": change.actor.name,
            "asked_us": change.now_us,
        }
        made = change.connection.execute(commands.insert().values(row).returning(commands.c.id))
        wish = made.scalar_one()
    else:
        change.connection.execute(update(commands).where(commands.c.id == wish).values(**values))
    detail = {"command": wish, "id": command.command_id, "key": key_id(command.key)}
    change.record("command.signed", station, {**detail, "action": body.action.model_dump()})
    return int(wish)


def withdraw(change: AuditedChange, station: str, number: int) -> None:
    """End a command that the station has not answered. Raises UsageError.

    A station that has received it already executes it all the same.
    """
    done = change.connection.execute(
        update(commands)
        .where(
            commands.c.id == number,
            commands.c.station_id == _station(change.connection, station),
            commands.c.state.in_(("waiting", "signed")),
        )
        .values(state="withdrawn", answered_us=change.now_us)
    )
    if not done.rowcount:
        raise UsageError(f"the station has no open command {number}")
    change.record("command.withdrawn", station, {"command": number})


def settle(database: Database, now_us: int) -> int:
    """Take over the answers of stations, each with a row in the audit log. Return their number.

    Several processes may call this at the same time. Blocks. Raises the errors of the database.
    """
    with database.read() as connection:
        found = read_new_answers(connection)
    count = 0
    for each in found:
        with database.write() as connection:
            done = connection.execute(
                update(commands)
                .where(commands.c.id == each.number, commands.c.state == each.former)
                .values(state=each.state, answer=each.reason, answered_us=each.received_us)
            )
            if not done.rowcount:
                continue  # another process was faster
            change = AuditedChange(connection, Actor(each.station, "station"), now_us)
            detail = {"command": each.number, "reason": each.reason}
            change.record(f"command.{each.state}", each.station, detail)
            count += 1
    return count


def _station(connection: Connection, station: str) -> int:
    try:
        return station_number(connection, station)
    except JudgementError as error:
        raise UsageError(str(error)) from error


def _check_space(connection: Connection, station_id: int, now_us: int) -> None:
    """A message takes MAX_COMMANDS. More of them would wait without a sign of it."""
    count = connection.execute(
        select(func.count())
        .select_from(commands)
        .where(
            commands.c.station_id == station_id,
            commands.c.state.in_(("waiting", "signed")),
            commands.c.expires_us > now_us,
        )
    ).scalar_one()
    if count >= MAX_COMMANDS:
        raise UsageError(
            f"the station has {count} open commands already; withdraw some, or wait for its answers"
        )


def _check_signed(body: CommandBody, station: str, command: SignedCommand, now_us: int) -> None:
    if body.station != station:
        raise UsageError(f"the command is for station '{body.station}', not for '{station}'")
    if not command.is_signed():
        raise UsageError("the signature does not fit the text: altered, or not complete")
    if body.expires * 1_000_000 <= now_us:
        raise UsageError("the command has expired")
