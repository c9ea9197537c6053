"""The first tables.

One file, because a migration describes the tables as they were, and is never changed afterwards.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# id: a column that the database numbers. by_day: the clause of a partitioned table.
_DIALECTS = {
    "sqlite": {"id": "INTEGER", "bytes": "BLOB", "by_day": ""},
    "postgresql": {
        "id": "BIGSERIAL",
        "bytes": "BYTEA",
        "by_day": " PARTITION BY RANGE (received_us)",
    },
}

_STATEMENTS = """
CREATE TABLE actuations (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    part_id BIGINT,
    action TEXT DEFAULT '' NOT NULL,
    cause TEXT DEFAULT '' NOT NULL,
    error_us FLOAT,
    width_us BIGINT NOT NULL
){by_day}
;
CREATE INDEX ix_actuations_station_id_part_id ON actuations (station_id, part_id)
;
CREATE TABLE counters (
    name TEXT NOT NULL,
    value BIGINT DEFAULT 0 NOT NULL,
    PRIMARY KEY (name)
)
;
CREATE TABLE defects (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    part_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    kind TEXT DEFAULT '' NOT NULL,
    severity FLOAT,
    mean_severity FLOAT,
    confidence FLOAT,
    area_px BIGINT NOT NULL,
    box_left BIGINT NOT NULL,
    box_top BIGINT NOT NULL,
    box_right BIGINT NOT NULL,
    box_bottom BIGINT NOT NULL
){by_day}
;
CREATE INDEX ix_defects_station_id_part_id ON defects (station_id, part_id)
;
CREATE TABLE drifts (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    severity TEXT DEFAULT '' NOT NULL,
    measure TEXT DEFAULT '' NOT NULL,
    stream TEXT DEFAULT '' NOT NULL,
    unit TEXT DEFAULT '' NOT NULL,
    value FLOAT,
    expected FLOAT,
    part_id BIGINT NOT NULL
)
;
CREATE INDEX ix_drifts_station_id_at_us ON drifts (station_id, at_us)
;
CREATE TABLE events (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    type TEXT DEFAULT '' NOT NULL,
    utc_us BIGINT,
    crc BIGINT NOT NULL,
    fault TEXT DEFAULT '' NOT NULL,
    payload {bytes} NOT NULL
){by_day}
;
CREATE INDEX ix_events_journal_id_sequence ON events (journal_id, sequence)
;
CREATE TABLE gaps (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    count BIGINT,
    first BIGINT,
    last BIGINT,
    reason TEXT DEFAULT '' NOT NULL
)
;
CREATE INDEX ix_gaps_station_id_at_us ON gaps (station_id, at_us)
;
CREATE TABLE marks (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    part_id BIGINT NOT NULL,
    mark TEXT DEFAULT '' NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    mark_id TEXT DEFAULT '' NOT NULL,
    marked_utc TEXT DEFAULT '' NOT NULL,
    picture TEXT,
    CONSTRAINT uq_marks_station_id_mark_id UNIQUE (station_id, mark_id)
)
;
CREATE INDEX ix_marks_station_id_part_id ON marks (station_id, part_id)
;
CREATE TABLE parts (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    utc_us BIGINT,
    part_id BIGINT NOT NULL,
    decision TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    kind TEXT DEFAULT '' NOT NULL,
    severity FLOAT,
    peak_severity FLOAT,
    part_score FLOAT,
    defects BIGINT DEFAULT 0 NOT NULL,
    chain_us BIGINT,
    bundle TEXT DEFAULT '' NOT NULL
){by_day}
;
CREATE INDEX ix_parts_not_passed ON parts (at_us) WHERE decision <> 'PASS'
;
CREATE INDEX ix_parts_station_not_passed ON parts (station_id, at_us) WHERE decision <> 'PASS'
;
CREATE INDEX ix_parts_station_id_at_us ON parts (station_id, at_us)
;
CREATE INDEX ix_parts_station_id_part_id ON parts (station_id, part_id)
;
CREATE TABLE refused (
    id {id} NOT NULL,
    received_us BIGINT NOT NULL,
    topic TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    bytes BIGINT NOT NULL,
    payload {bytes} NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE TABLE rollup_kinds (
    station_id BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    kind TEXT NOT NULL,
    rejected BIGINT DEFAULT 0 NOT NULL,
    defects BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_rollup_kinds PRIMARY KEY (station_id, minute, kind)
)
;
CREATE INDEX ix_rollup_kinds_minute ON rollup_kinds (minute)
;
CREATE TABLE rollups (
    station_id BIGINT NOT NULL,
    minute BIGINT NOT NULL,
    bundle TEXT NOT NULL,
    inspected BIGINT DEFAULT 0 NOT NULL,
    passed BIGINT DEFAULT 0 NOT NULL,
    rejected BIGINT DEFAULT 0 NOT NULL,
    unknown BIGINT DEFAULT 0 NOT NULL,
    ejected BIGINT DEFAULT 0 NOT NULL,
    missed BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_rollups PRIMARY KEY (station_id, minute, bundle)
)
;
CREATE INDEX ix_rollups_minute ON rollups (minute)
;
CREATE TABLE self_tests (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    bundle TEXT DEFAULT '' NOT NULL,
    subject TEXT DEFAULT '' NOT NULL,
    reproduced INTEGER NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    since_part BIGINT NOT NULL,
    part_id BIGINT NOT NULL
)
;
CREATE INDEX ix_self_tests_station_id_at_us ON self_tests (station_id, at_us)
;
CREATE TABLE starts (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    bundle TEXT DEFAULT '' NOT NULL,
    version TEXT DEFAULT '' NOT NULL,
    first_part BIGINT NOT NULL,
    last_end TEXT DEFAULT '' NOT NULL,
    recovered BIGINT NOT NULL,
    unaccounted_parts BIGINT NOT NULL,
    unwatched_s FLOAT
)
;
CREATE INDEX ix_starts_station_id_at_us ON starts (station_id, at_us)
;
CREATE TABLE stations (
    id {id} NOT NULL,
    name TEXT NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    cause TEXT DEFAULT '' NOT NULL,
    version TEXT DEFAULT '' NOT NULL,
    bundle TEXT DEFAULT '' NOT NULL,
    journal TEXT DEFAULT '' NOT NULL,
    published BIGINT DEFAULT 0 NOT NULL,
    undelivered BIGINT DEFAULT 0 NOT NULL,
    unheard BIGINT DEFAULT 0 NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    status_us BIGINT,
    status_utc_us BIGINT,
    seen_us BIGINT,
    first_us BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
)
;
CREATE TABLE journals (
    id {id} NOT NULL,
    station_id {id} NOT NULL,
    uuid TEXT NOT NULL,
    version BIGINT DEFAULT 0 NOT NULL,
    complete_to BIGINT DEFAULT 0 NOT NULL,
    known_to BIGINT DEFAULT 0 NOT NULL,
    shared_from BIGINT,
    updated_us BIGINT DEFAULT 0 NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_journals_station_id_uuid UNIQUE (station_id, uuid),
    FOREIGN KEY(station_id) REFERENCES stations (id)
)
;
CREATE TABLE conflicts (
    id {id} NOT NULL,
    station_id {id} NOT NULL,
    journal_id {id} NOT NULL,
    kind TEXT NOT NULL,
    run TEXT NOT NULL,
    other_run TEXT DEFAULT '' NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    count BIGINT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_conflicts UNIQUE (journal_id, kind, run, other_run),
    FOREIGN KEY(station_id) REFERENCES stations (id),
    FOREIGN KEY(journal_id) REFERENCES journals (id)
)
;
CREATE TABLE runs (
    journal_id {id} NOT NULL,
    run TEXT NOT NULL,
    ranges TEXT NOT NULL,
    CONSTRAINT pk_runs PRIMARY KEY (journal_id, run),
    FOREIGN KEY(journal_id) REFERENCES journals (id)
)
"""


def upgrade() -> None:
    """Create the tables and their indexes."""
    for statement in _STATEMENTS.format(**_DIALECTS[op.get_bind().dialect.name]).split("\n;\n"):
        op.execute(statement.strip())


def downgrade() -> None:
    """Refuse: this is the first version."""
    raise NotImplementedError("the first version of the tables has no earlier one")
