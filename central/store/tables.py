"""The tables of the database, for SQLite and PostgreSQL.

On PostgreSQL the tables in ``PARTITIONED`` are partitioned by the day of ``received_us``. Such a
table can have no unique index without that column. The numbers in ``runs`` keep an event from being
stored twice (docs/decisions/0064-central-collector-and-database.md).

One file, because each table refers to the others and a reader looks for all columns in one place.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from central.store.columns import ROW_NUMBER, number, words

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000

metadata = MetaData()

_BY_DAY: dict[str, Any] = {"postgresql_partition_by": "RANGE (received_us)"}
_NOT_PASSED: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("decision <> 'PASS'")
)


def _optional(name: str, kind: type[BigInteger | Float[float] | Text]) -> Column[Any]:
    return Column(name, kind, nullable=True)


def _place() -> list[Column[Any]]:
    """Return the columns that identify the event of a row."""
    return [
        number("received_us"),
        number("station_id"),
        number("journal_id"),
        words("run"),
        number("sequence"),
    ]


stations = Table(
    "stations",
    metadata,
    Column("id", ROW_NUMBER, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # The state of the uplink: online, offline, or empty where no status has arrived.
    words("state"),
    words("cause"),
    words("version"),
    words("bundle"),
    words("journal"),
    number("published", default=0),
    number("undelivered", default=0),
    number("unheard", default=0),
    words("note"),
    # JSON lists of the status (central/store/health.py); empty where it has none.
    words("certificates"),
    words("disks"),
    # The system that runs, and its slot; empty without an image.
    words("system_version"),
    words("system_slot"),
    _optional("status_us", BigInteger),
    _optional("status_utc_us", BigInteger),
    # Reception of the last event, and of the first message.
    _optional("seen_us", BigInteger),
    number("first_us"),
)

journals = Table(
    "journals",
    metadata,
    Column("id", ROW_NUMBER, primary_key=True),
    Column("station_id", ROW_NUMBER, ForeignKey("stations.id"), nullable=False),
    Column("uuid", Text, nullable=False),
    # Grows with each change of the coverage. The row is locked while a batch is written.
    number("version", default=0),
    number("complete_to", default=0),
    number("known_to", default=0),
    # The first sequence number that two runs share: the storage card was copied.
    _optional("shared_from", BigInteger),
    number("updated_us", default=0),
    UniqueConstraint("station_id", "uuid", name="uq_journals_station_id_uuid"),
)

runs = Table(
    "runs",
    metadata,
    Column("journal_id", ROW_NUMBER, ForeignKey("journals.id"), nullable=False),
    # The run; "gap": numbers that gap events account for; "merged": earlier runs without overlap.
    Column("run", Text, nullable=False),
    # JSON: [[first, last], …], ascending.
    Column("ranges", Text, nullable=False),
    PrimaryKeyConstraint("journal_id", "run", name="pk_runs"),
)

events = Table(
    "events",
    metadata,
    *_place(),
    words("type"),
    _optional("utc_us", BigInteger),
    # CRC-32 of the payload.
    number("crc"),
    # Empty; copy: another run has the same number; content: an earlier event with the same identity
    # has other content; unreadable: the identity is right, the rest is not. Only events with an
    # empty fault or with copy have further rows.
    words("fault"),
    Column("payload", LargeBinary, nullable=False),
    Index("ix_events_journal_id_sequence", "journal_id", "sequence"),
    **_BY_DAY,
)

parts = Table(
    "parts",
    metadata,
    *_place(),
    # The time of the station where it is plausible, otherwise received_us.
    number("at_us"),
    _optional("utc_us", BigInteger),
    number("part_id"),
    words("decision"),
    words("reason"),
    # Kind and severity of the worst defect; empty and null without a defect.
    words("kind"),
    _optional("severity", Float),
    _optional("peak_severity", Float),
    _optional("part_score", Float),
    number("defects", default=0),
    # The sum of the times of all steps; null where no chain ran.
    _optional("chain_us", BigInteger),
    words("bundle"),
    Index("ix_parts_station_id_at_us", "station_id", "at_us"),
    Index("ix_parts_station_id_part_id", "station_id", "part_id"),
    Index("ix_parts_not_passed", "at_us", **_NOT_PASSED),
    Index("ix_parts_station_not_passed", "station_id", "at_us", **_NOT_PASSED),
    # PostgreSQL read all parts that did not pass for a kind: 1.0 s with 10⁷ parts, and now 10 ms.
    Index("ix_parts_kind_not_passed", "kind", "at_us", **_NOT_PASSED),
    **_BY_DAY,
)

defects = Table(
    "defects",
    metadata,
    *_place(),
    number("part_id"),
    # The place in the event, from 0.
    number("position"),
    words("kind"),
    _optional("severity", Float),
    _optional("mean_severity", Float),
    _optional("confidence", Float),
    number("area_px"),
    # Pixels of the frame; right and bottom are exclusive.
    number("box_left"),
    number("box_top"),
    number("box_right"),
    number("box_bottom"),
    Index("ix_defects_station_id_part_id", "station_id", "part_id"),
    **_BY_DAY,
)

actuations = Table(
    "actuations",
    metadata,
    *_place(),
    number("at_us"),
    _optional("part_id", BigInteger),
    words("action"),
    words("cause"),
    _optional("error_us", Float),
    number("width_us"),
    Index("ix_actuations_station_id_part_id", "station_id", "part_id"),
    **_BY_DAY,
)

marks = Table(
    "marks",
    metadata,
    *_place(),
    number("part_id"),
    words("mark"),
    words("note"),
    words("mark_id"),
    words("marked_utc"),
    _optional("picture", Text),
    UniqueConstraint("station_id", "mark_id", name="uq_marks_station_id_mark_id"),
    Index("ix_marks_station_id_part_id", "station_id", "part_id"),
)

gaps = Table(
    "gaps",
    metadata,
    *_place(),
    number("at_us"),
    # The number of lost events, and the numbers that the event accounts for; null if not known.
    _optional("count", BigInteger),
    _optional("first", BigInteger),
    _optional("last", BigInteger),
    words("reason"),
    Index("ix_gaps_station_id_at_us", "station_id", "at_us"),
)

starts = Table(
    "starts",
    metadata,
    *_place(),
    number("at_us"),
    words("bundle"),
    words("version"),
    number("first_part"),
    words("last_end"),
    number("recovered"),
    number("unaccounted_parts"),
    _optional("unwatched_s", Float),
    Index("ix_starts_station_id_at_us", "station_id", "at_us"),
)

drifts = Table(
    "drifts",
    metadata,
    *_place(),
    number("at_us"),
    words("state"),
    words("severity"),
    words("measure"),
    words("stream"),
    words("unit"),
    _optional("value", Float),
    _optional("expected", Float),
    number("part_id"),
    Index("ix_drifts_station_id_at_us", "station_id", "at_us"),
)

self_tests = Table(
    "self_tests",
    metadata,
    *_place(),
    number("at_us"),
    words("bundle"),
    words("subject"),
    # 1: the expected result was reproduced.
    Column("reproduced", Integer, nullable=False),
    words("reason"),
    number("since_part"),
    number("part_id"),
    Index("ix_self_tests_station_id_at_us", "station_id", "at_us"),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("id", ROW_NUMBER, primary_key=True),
    Column("station_id", ROW_NUMBER, ForeignKey("stations.id"), nullable=False),
    Column("journal_id", ROW_NUMBER, ForeignKey("journals.id"), nullable=False),
    # copy: another run has the number; content: the same identity has other content.
    Column("kind", Text, nullable=False),
    Column("run", Text, nullable=False),
    words("other_run"),
    # The lowest and the highest sequence number, and the number of events.
    number("first"),
    number("last"),
    number("count"),
    number("first_us"),
    number("last_us"),
    UniqueConstraint("journal_id", "kind", "run", "other_run", name="uq_conflicts"),
)

rollups = Table(
    "rollups",
    metadata,
    number("station_id"),
    # Minutes since 1970-01-01 UTC, of at_us.
    number("minute"),
    # Empty for the actions of the ejector, which name no bundle.
    Column("bundle", Text, nullable=False),
    number("inspected", default=0),
    number("passed", default=0),
    number("rejected", default=0),
    number("unknown", default=0),
    number("ejected", default=0),
    number("missed", default=0),
    PrimaryKeyConstraint("station_id", "minute", "bundle", name="pk_rollups"),
    Index("ix_rollups_minute", "minute"),
)

rollup_kinds = Table(
    "rollup_kinds",
    metadata,
    number("station_id"),
    number("minute"),
    Column("kind", Text, nullable=False),
    # Rejected parts whose worst defect is of this kind, and all defects of this kind.
    number("rejected", default=0),
    number("defects", default=0),
    PrimaryKeyConstraint("station_id", "minute", "kind", name="pk_rollup_kinds"),
    Index("ix_rollup_kinds_minute", "minute"),
)

refused = Table(
    "refused",
    metadata,
    Column("id", ROW_NUMBER, primary_key=True),
    number("received_us"),
    words("topic"),
    words("reason"),
    # The size of the message, and its first bytes.
    number("bytes"),
    Column("payload", LargeBinary, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    number("value", default=0),
)

PARTITIONED: tuple[Table, ...] = (events, parts, defects, actuations)
