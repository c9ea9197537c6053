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
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from central.store.columns import identity, number, optional_time, words
from central.store.tables import metadata

_OPEN: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("resolved_us IS NULL")
)
_UNSENT: dict[str, Any] = dict.fromkeys(("sqlite_where", "postgresql_where"), text("done_us = 0"))


# The time in which stations worked on a lot. ended_us: null while it lasts.
lots = Table(
    "lots",
    metadata,
    identity(),
    words("lot"),
    words("order_name"),
    words("product"),
    words("note"),
    number("began_us"),
    optional_time("ended_us"),
    words("made_by"),
    number("made_us"),
    Index("ix_lots_lot", "lot"),
    Index("ix_lots_began_us", "began_us"),
)

lot_stations = Table(
    "lot_stations",
    metadata,
    number("lot_id"),
    number("station_id"),
    # As in lots, so that the lot of a part is found by one index.
    number("began_us"),
    optional_time("ended_us"),
    PrimaryKeyConstraint("lot_id", "station_id", name="pk_lot_stations"),
    Index("ix_lot_stations_station_id_began_us", "station_id", "began_us"),
)

# Statements of line controllers about lots, also refused ones. place: PLANT/LINE.
lot_statements = Table(
    "lot_statements",
    metadata,
    identity(),
    Column("place", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    words("action"),
    words("lot"),
    # SHA-256 of the contents: the same id with other contents is a contradiction.
    words("digest"),
    # stored or refused
    words("outcome"),
    words("reason"),
    Column("lot_id", BigInteger, nullable=True),
    number("received_us"),
    UniqueConstraint("place", "message_id", name="uq_lot_statements_place_message_id"),
)

# The guidance for a kind of defect. A change is a new version; the highest one holds.
guidance = Table(
    "guidance",
    metadata,
    identity(),
    Column("kind", Text, nullable=False),
    number("version"),
    words("body"),
    words("made_by"),
    number("made_us"),
    UniqueConstraint("kind", "version", name="uq_guidance_kind_version"),
)

# Statements of people about guidance: it helped (1) or not (0).
guidance_answers = Table(
    "guidance_answers",
    metadata,
    identity(),
    Column("kind", Text, nullable=False),
    number("version"),
    number("station_id"),
    number("helped"),
    words("made_by"),
    number("made_us"),
    Index("ix_guidance_answers_kind_version", "kind", "version"),
)

# Verdicts of people about parts. The latest one of a part holds.
reviews = Table(
    "reviews",
    metadata,
    identity(),
    number("station_id"),
    number("part_id"),
    # correct, false-reject or escape
    words("verdict"),
    words("note"),
    words("made_by"),
    number("made_us"),
    Index("ix_reviews_station_id_part_id", "station_id", "part_id"),
    Index("ix_reviews_made_us", "made_us"),
)

# Frozen limits of the chart of rejected parts. The latest row of a station and bundle holds.
chart_limits = Table(
    "chart_limits",
    metadata,
    identity(),
    number("station_id"),
    words("bundle"),
    Column("centre", Float, nullable=False),
    Column("spread", Float, nullable=False),
    # 0: the limits are no longer frozen.
    number("groups"),
    number("first_us"),
    number("last_us"),
    words("made_by"),
    number("made_us"),
    Index("ix_chart_limits_station_id_bundle", "station_id", "bundle"),
)

# The sum of the CUSUM of a station after a minute.
cusums = Table(
    "cusums",
    metadata,
    Column("station_id", BigInteger, primary_key=True, autoincrement=False),
    number("minute"),
    number("total"),
    # The settings by which the sum was made; other settings begin again.
    words("design"),
)

# One row from the first sign of a condition until it is resolved. station_id 0: the central
# system, and lines and plants, whose name is the subject.
alarms = Table(
    "alarms",
    metadata,
    identity(),
    words("rule"),
    number("station_id", default=0),
    words("subject"),
    # pending, firing, acknowledged or resolved
    words("state"),
    # warning or critical
    words("severity"),
    words("message"),
    number("since_us"),
    # The latest time at which the condition was present.
    number("seen_us"),
    optional_time("fired_us"),
    optional_time("escalated_us"),
    words("acknowledged_by"),
    optional_time("acknowledged_us"),
    words("note"),
    optional_time("resolved_us"),
    Index("ix_alarms_since_us", "since_us"),
    Index("uq_alarms_open", "rule", "station_id", "subject", unique=True, **_OPEN),
)

# A muted rule sends no messages until a time. The alarm is shown as before.
mutes = Table(
    "mutes",
    metadata,
    identity(),
    words("rule"),
    number("station_id", default=0),
    # PLANT/LINE or PLANT; empty: station_id decides.
    words("place"),
    number("until_us"),
    words("reason"),
    words("made_by"),
    number("made_us"),
)

# The values of rules that people have changed. The latest row of a name holds.
rule_values = Table(
    "rule_values",
    metadata,
    identity(),
    Column("name", Text, nullable=False),
    Column("value", Float, nullable=False),
    words("made_by"),
    number("made_us"),
)

# Messages that are to be sent, in the transaction that changed the alarm. done_us: 0 until then.
outbox = Table(
    "outbox",
    metadata,
    identity(),
    # The receiver of a repeat drops it by the key.
    Column("key", Text, nullable=False),
    # webhook or mail
    Column("channel", Text, nullable=False),
    number("alarm_id"),
    words("payload"),
    number("made_us"),
    number("attempts", default=0),
    number("next_us"),
    number("done_us", default=0),
    # Empty where it was sent, otherwise the reason of the last failure.
    words("fault"),
    UniqueConstraint("key", "channel", name="uq_outbox_key_channel"),
    Index("ix_outbox_next_us", "next_us", **_UNSENT),
)
