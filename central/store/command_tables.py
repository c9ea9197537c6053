"""The tables of commands to stations, and of the stations' answers.

Times are microseconds since 1970 UTC. ``*_by`` is the account of a person.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text, UniqueConstraint

from central.store.columns import identity, number, optional_time, words
from central.store.tables import metadata

# A command from the wish of a person to the last answer of the station.
commands = Table(
    "commands",
    metadata,
    identity(),
    number("station_id"),
    # mark, resend or picture
    words("kind"),
    # JSON: what it asks for, as it is signed.
    words("action"),
    words("journal"),
    words("run"),
    number("expires_us"),
    # waiting: not signed yet; signed: published until the station answers; accepted, refused, done,
    # failed: the latest answer; or withdrawn
    words("state"),
    # The reason for refused and failed, the result for done.
    words("answer"),
    words("asked_by"),
    number("asked_us"),
    # The signed command as JSON, its id, key and counter. Empty and 0 while it waits.
    words("signed"),
    words("command_id"),
    words("key"),
    number("counter", default=0),
    words("signed_by"),
    optional_time("signed_us"),
    optional_time("answered_us"),
    Index("ix_commands_station_id_id", "station_id", "id"),
    Index("ix_commands_command_id", "command_id"),
    Index("ix_commands_state", "state"),
)

# The answers of stations, also to messages that no person here has sent.
command_answers = Table(
    "command_answers",
    metadata,
    number("received_us"),
    number("station_id"),
    number("journal_id"),
    words("run"),
    number("sequence"),
    words("command_id"),
    words("kind"),
    words("state"),
    words("reason"),
    words("key"),
    Column("counter", BigInteger, nullable=True),
    number("more"),
    Column("decided_utc", Text, nullable=False),
    UniqueConstraint(
        "station_id", "command_id", "state", "decided_utc", name="uq_command_answers_answer"
    ),
    Index("ix_command_answers_station_id_received_us", "station_id", "received_us"),
)
