"""The tables of lots, guidance, reviews, limits of charts, alarms and messages about them.

Times are microseconds since 1970 UTC. ``*_by`` is the account of a person, empty for the program.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from central.store.tables import metadata

# SQLite numbers rows by itself in a column of type INTEGER only.
_Number = BigInteger().with_variant(Integer, "sqlite")
_OPEN: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("resolved_us IS NULL")
)
_UNSENT: dict[str, Any] = dict.fromkeys(("sqlite_where", "postgresql_where"), text("done_us = 0"))


def _identity() -> Column[int]:
    return Column("id", _Number, primary_key=True)


def _number(name: str, *, default: int | None = None) -> Column[int]:
    standard = None if default is None else text(str(default))
    return Column(name, BigInteger, nullable=False, server_default=standard)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _time(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=True)


# The time in which stations worked on a lot. ended_us: null while it lasts.
lots = Table(
    "lots",
    metadata,
    _identity(),
    _text("lot"),
    _text("order_name"),
    _text("product"),
    _text("note"),
    _number("began_us"),
    _time("ended_us"),
    _text("made_by"),
    _number("made_us"),
    Index("ix_lots_lot", "lot"),
    Index("ix_lots_began_us", "began_us"),
)

lot_stations = Table(
    "lot_stations",
    metadata,
    _number("lot_id"),
    _number("station_id"),
    # As in lots, so that the lot of a part is found by one index.
    _number("began_us"),
    _time("ended_us"),
    PrimaryKeyConstraint("lot_id", "station_id", name="pk_lot_stations"),
    Index("ix_lot_stations_station_id_began_us", "station_id", "began_us"),
)

# The guidance for a kind of defect. A change is a new version; the highest one holds.
guidance = Table(
    "guidance",
    metadata,
    _identity(),
    Column("kind", Text, nullable=False),
    _number("version"),
    _text("body"),
    _text("made_by"),
    _number("made_us"),
    UniqueConstraint("kind", "version", name="uq_guidance_kind_version"),
)

# Statements of people about guidance: it helped (1) or not (0).
guidance_answers = Table(
    "guidance_answers",
    metadata,
    _identity(),
    Column("kind", Text, nullable=False),
    _number("version"),
    _number("station_id"),
    _number("helped"),
    _text("made_by"),
    _number("made_us"),
    Index("ix_guidance_answers_kind_version", "kind", "version"),
)

# Verdicts of people about parts. The latest one of a part holds.
reviews = Table(
    "reviews",
    metadata,
    _identity(),
    _number("station_id"),
    _number("part_id"),
    # correct, false-reject or escape
    _text("verdict"),
    _text("note"),
    _text("made_by"),
    _number("made_us"),
    Index("ix_reviews_station_id_part_id", "station_id", "part_id"),
    Index("ix_reviews_made_us", "made_us"),
)

# Frozen limits of the chart of rejected parts. The latest row of a station and bundle holds.
chart_limits = Table(
    "chart_limits",
    metadata,
    _identity(),
    _number("station_id"),
    _text("bundle"),
    Column("centre", Float, nullable=False),
    Column("spread", Float, nullable=False),
    # 0: the limits are no longer frozen.
    _number("groups"),
    _number("first_us"),
    _number("last_us"),
    _text("made_by"),
    _number("made_us"),
    Index("ix_chart_limits_station_id_bundle", "station_id", "bundle"),
)

# The sum of the CUSUM of a station after a minute.
cusums = Table(
    "cusums",
    metadata,
    Column("station_id", BigInteger, primary_key=True, autoincrement=False),
    _number("minute"),
    _number("total"),
    # The settings by which the sum was made; other settings begin again.
    _text("design"),
)

# One row from the first sign of a condition until it is resolved. station_id 0: the central system.
alarms = Table(
    "alarms",
    metadata,
    _identity(),
    _text("rule"),
    _number("station_id", default=0),
    _text("subject"),
    # pending, firing, acknowledged or resolved
    _text("state"),
    # warning or critical
    _text("severity"),
    _text("message"),
    _number("since_us"),
    # The latest time at which the condition was present.
    _number("seen_us"),
    _time("fired_us"),
    _time("escalated_us"),
    _text("acknowledged_by"),
    _time("acknowledged_us"),
    _text("note"),
    _time("resolved_us"),
    Index("ix_alarms_since_us", "since_us"),
    Index("uq_alarms_open", "rule", "station_id", "subject", unique=True, **_OPEN),
)

# A muted rule sends no messages until a time. The alarm is shown as before.
mutes = Table(
    "mutes",
    metadata,
    _identity(),
    _text("rule"),
    _number("station_id", default=0),
    _number("until_us"),
    _text("reason"),
    _text("made_by"),
    _number("made_us"),
)

# The values of rules that people have changed. The latest row of a name holds.
rule_values = Table(
    "rule_values",
    metadata,
    _identity(),
    Column("name", Text, nullable=False),
    Column("value", Float, nullable=False),
    _text("made_by"),
    _number("made_us"),
)

# Messages that are to be sent, in the transaction that changed the alarm. done_us: 0 until then.
outbox = Table(
    "outbox",
    metadata,
    _identity(),
    # The receiver of a repeat drops it by the key.
    Column("key", Text, nullable=False),
    # webhook or mail
    Column("channel", Text, nullable=False),
    _number("alarm_id"),
    _text("payload"),
    _number("made_us"),
    _number("attempts", default=0),
    _number("next_us"),
    _number("done_us", default=0),
    # Empty where it was sent, otherwise the reason of the last failure.
    _text("fault"),
    UniqueConstraint("key", "channel", name="uq_outbox_key_channel"),
    Index("ix_outbox_next_us", "next_us", **_UNSENT),
)
