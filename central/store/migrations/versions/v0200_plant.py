"""Tables of lots, guidance, reviews, limits of charts, alarms and messages about them."""

from __future__ import annotations

from alembic import op

revision = "0200"
down_revision = "0100"
branch_labels = None
depends_on = None

# A column that the database numbers.
_DIALECTS = {"sqlite": {"id": "INTEGER"}, "postgresql": {"id": "BIGSERIAL"}}

_STATEMENTS = """
CREATE TABLE lots (
    id {id} NOT NULL,
    lot TEXT DEFAULT '' NOT NULL,
    order_name TEXT DEFAULT '' NOT NULL,
    product TEXT DEFAULT '' NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    began_us BIGINT NOT NULL,
    ended_us BIGINT,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_lots_began_us ON lots (began_us)
;
CREATE INDEX ix_lots_lot ON lots (lot)
;
CREATE TABLE lot_stations (
    lot_id BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    began_us BIGINT NOT NULL,
    ended_us BIGINT,
    CONSTRAINT pk_lot_stations PRIMARY KEY (lot_id, station_id)
)
;
CREATE INDEX ix_lot_stations_station_id_began_us ON lot_stations (station_id, began_us)
;
CREATE TABLE guidance (
    id {id} NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT DEFAULT '' NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_guidance_kind_version UNIQUE (kind, version)
)
;
CREATE TABLE guidance_answers (
    id {id} NOT NULL,
    kind TEXT NOT NULL,
    version BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    helped BIGINT NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_guidance_answers_kind_version ON guidance_answers (kind, version)
;
CREATE TABLE reviews (
    id {id} NOT NULL,
    station_id BIGINT NOT NULL,
    part_id BIGINT NOT NULL,
    verdict TEXT DEFAULT '' NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_reviews_made_us ON reviews (made_us)
;
CREATE INDEX ix_reviews_station_id_part_id ON reviews (station_id, part_id)
;
CREATE TABLE chart_limits (
    id {id} NOT NULL,
    station_id BIGINT NOT NULL,
    bundle TEXT DEFAULT '' NOT NULL,
    centre FLOAT NOT NULL,
    spread FLOAT NOT NULL,
    groups BIGINT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_chart_limits_station_id_bundle ON chart_limits (station_id, bundle)
;
CREATE TABLE cusums (
    station_id BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    total BIGINT NOT NULL,
    design TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (station_id)
)
;
CREATE TABLE alarms (
    id {id} NOT NULL,
    rule TEXT DEFAULT '' NOT NULL,
    station_id BIGINT DEFAULT 0 NOT NULL,
    subject TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    severity TEXT DEFAULT '' NOT NULL,
    message TEXT DEFAULT '' NOT NULL,
    since_us BIGINT NOT NULL,
    seen_us BIGINT NOT NULL,
    fired_us BIGINT,
    escalated_us BIGINT,
    acknowledged_by TEXT DEFAULT '' NOT NULL,
    acknowledged_us BIGINT,
    note TEXT DEFAULT '' NOT NULL,
    resolved_us BIGINT,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_alarms_since_us ON alarms (since_us)
;
CREATE UNIQUE INDEX uq_alarms_open ON alarms (rule, station_id, subject) WHERE resolved_us IS NULL
;
CREATE TABLE mutes (
    id {id} NOT NULL,
    rule TEXT DEFAULT '' NOT NULL,
    station_id BIGINT DEFAULT 0 NOT NULL,
    until_us BIGINT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE TABLE rule_values (
    id {id} NOT NULL,
    name TEXT NOT NULL,
    value FLOAT NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE TABLE outbox (
    id {id} NOT NULL,
    key TEXT NOT NULL,
    channel TEXT NOT NULL,
    alarm_id BIGINT NOT NULL,
    payload TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    attempts BIGINT DEFAULT 0 NOT NULL,
    next_us BIGINT NOT NULL,
    done_us BIGINT DEFAULT 0 NOT NULL,
    fault TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_outbox_key_channel UNIQUE (key, channel)
)
;
CREATE INDEX ix_outbox_next_us ON outbox (next_us) WHERE done_us = 0
"""


def upgrade() -> None:
    """Create the tables and their indexes."""
    for statement in _STATEMENTS.format(**_DIALECTS[op.get_bind().dialect.name]).split("\n;\n"):
        op.execute(statement.strip())


def downgrade() -> None:
    """Refuse: lots and guidance of people would be lost."""
    raise NotImplementedError("an earlier version has no place for lots and guidance")
