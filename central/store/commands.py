"""Commands to stations in the database: what people see of them, and what is to be published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from central.store.command_tables import command_answers, commands
from central.store.newest import newest_of_station
from central.store.tables import journals, starts, stations
from edge.commands.message import MAX_COMMANDS, SignedCommand, read_signed
from edge.errors import UsageError

ANSWERS_SHOWN = 50
"""Answers without a command of this system on the page of a station."""

_RANK = {"signed": 0, "refused": 1, "accepted": 2, "failed": 3, "done": 4}
"""A later answer has a higher rank. A refusal of a repeat follows the first answer."""


@dataclass(frozen=True, slots=True)
class CommandPlace:
    """The present journal and run of a station, to which a command is bound."""

    journal: str
    run: str


@dataclass(frozen=True, slots=True)
class StationCommand:
    """A command as people see it.

    action: JSON of what it asks for. state: waiting, signed, accepted, refused, done, failed,
    withdrawn, or expired where it was not answered in time. key: id of the key of the signature.
    """

    number: int
    station: str
    kind: str
    action: str
    journal: str
    run: str
    expires_us: int
    state: str
    answer: str
    asked_by: str
    asked_us: int
    command_id: str
    key: str
    signed_by: str
    signed_us: int | None
    answered_us: int | None


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """An answer of a station, with the reason as it states it."""

    command_id: str
    kind: str
    state: str
    reason: str
    key: str
    more: int
    decided_utc: str
    received_us: int


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer that changes the state of a command. former: the state until now."""

    number: int
    station: str
    former: str
    state: str
    reason: str
    received_us: int


def read_place(connection: Connection, station: str) -> CommandPlace:
    """Return the journal and the run of a station's latest start.

    Raises UsageError for a station that has sent no start.
    """
    row = connection.execute(
        select(journals.c.uuid, starts.c.run)
        .join(stations, stations.c.id == starts.c.station_id)
        .join(journals, journals.c.id == starts.c.journal_id)
        .where(stations.c.name == station)
        .order_by(starts.c.received_us.desc(), starts.c.sequence.desc())
        .limit(1)
    ).first()
    if row is None:
        raise UsageError("the station has sent no start event yet, so its run is not known")
    return CommandPlace(*row)


def read_commands(
    connection: Connection, station: str, now_us: int, limit: int = 100
) -> tuple[StationCommand, ...]:
    """Return the latest commands to a station, newest first."""
    statement = _shown(now_us).where(stations.c.name == station)
    rows = connection.execute(statement.order_by(commands.c.id.desc()).limit(limit))
    return tuple(StationCommand(*row) for row in rows)


def find_command(
    connection: Connection, station: str, number: int, now_us: int
) -> StationCommand | None:
    """Return one command; None where the station has none with this number."""
    row = connection.execute(
        _shown(now_us).where(stations.c.name == station, commands.c.id == number)
    ).first()
    return None if row is None else StationCommand(*row)


def read_answers(connection: Connection, station: str) -> tuple[CommandAnswer, ...]:
    """Return the latest answers of a station, newest first, also to messages of others."""
    names = ("command_id", "kind", "state", "reason", "key", "more", "decided_utc", "received_us")
    rows = newest_of_station(connection, command_answers, names, station, ANSWERS_SHOWN)
    return tuple(CommandAnswer(*row) for row in rows)


def read_new_answers(connection: Connection) -> tuple[NewAnswer, ...]:
    """Return the answers that change the state of a command, at most one for each."""
    rows = connection.execute(
        select(
            commands.c.id,
            stations.c.name,
            commands.c.state,
            command_answers.c.state,
            command_answers.c.reason,
            command_answers.c.received_us,
        )
        .join(
            command_answers,
            (command_answers.c.command_id == commands.c.command_id)
            & (command_answers.c.station_id == commands.c.station_id),
        )
        .join(stations, stations.c.id == commands.c.station_id)
        .where(commands.c.state.in_(("signed", "accepted")))
        .order_by(commands.c.id)
    )
    best: dict[int, NewAnswer] = {}
    for row in rows:
        found = NewAnswer(*row)
        known = best.get(found.number)
        if _RANK[found.state] > _RANK[found.former if known is None else known.state]:
            best[found.number] = found
    return tuple(best.values())


def read_queue(connection: Connection, station: str, now_us: int) -> list[SignedCommand]:
    """Return the commands that a station has not answered, in the order of their counters."""
    rows = connection.execute(
        select(commands.c.signed)
        .join(stations, stations.c.id == commands.c.station_id)
        .where(
            stations.c.name == station, commands.c.state == "signed", commands.c.expires_us > now_us
        )
        .order_by(commands.c.counter, commands.c.id)
        .limit(MAX_COMMANDS)
    ).scalars()
    return [read_signed(each) for each in rows]


def read_queued(connection: Connection, now_us: int) -> Mapping[str, int]:
    """Return the stations with commands that they have not answered, each with their number."""
    rows = connection.execute(
        select(stations.c.name, func.count())
        .join(commands, commands.c.station_id == stations.c.id)
        .where(commands.c.state == "signed", commands.c.expires_us > now_us)
        .group_by(stations.c.name)
    )
    return {row[0]: int(row[1]) for row in rows}


def has_commands(connection: Connection, station: str) -> bool:
    """Return True if a command to this station was ever stored."""
    found = connection.execute(
        select(commands.c.id)
        .join(stations, stations.c.id == commands.c.station_id)
        .where(stations.c.name == station)
        .limit(1)
    ).first()
    return found is not None


def _shown(now_us: int) -> Select[Any]:
    is_expired = commands.c.state.in_(("waiting", "signed")) & (commands.c.expires_us <= now_us)
    state = case((is_expired, "expired"), else_=commands.c.state)
    return select(
        commands.c.id,
        stations.c.name,
        *(commands.c[name] for name in ("kind", "action", "journal", "run", "expires_us")),
        state,
        *(
            commands.c[name]
            for name in ("answer", "asked_by", "asked_us", "command_id", "key", "signed_by")
        ),
        *(commands.c[name] for name in ("signed_us", "answered_us")),
    ).join(stations, stations.c.id == commands.c.station_id)
