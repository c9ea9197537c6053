"""Tables of bundles, of rollouts to stations, and of what stations report about updates."""

from __future__ import annotations

from alembic import op

revision = "0340"
down_revision = "0330"
branch_labels = None
depends_on = None

# A column that the database numbers.
_DIALECTS = {"sqlite": {"id": "INTEGER"}, "postgresql": {"id": "BIGSERIAL"}}

_STATEMENTS = """
CREATE TABLE bundles (
    id {id} NOT NULL,
    sha256 TEXT NOT NULL,
    bundle_id TEXT DEFAULT '' NOT NULL,
    name TEXT DEFAULT '' NOT NULL,
    version TEXT DEFAULT '' NOT NULL,
    size_bytes BIGINT NOT NULL,
    signer TEXT DEFAULT '' NOT NULL,
    compatible TEXT DEFAULT '' NOT NULL,
    uploaded_by TEXT DEFAULT '' NOT NULL,
    uploaded_us BIGINT NOT NULL,
    removed_us BIGINT,
    PRIMARY KEY (id),
    CONSTRAINT uq_bundles_sha256 UNIQUE (sha256)
)
;
CREATE INDEX ix_bundles_name_uploaded_us ON bundles (name, uploaded_us)
;
CREATE TABLE rollouts (
    id {id} NOT NULL,
    bundle BIGINT,
    title TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    released BIGINT DEFAULT 0 NOT NULL,
    cohorts BIGINT DEFAULT 1 NOT NULL,
    aside_hours BIGINT DEFAULT 0 NOT NULL,
    terms TEXT DEFAULT '' NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    keys TEXT DEFAULT '' NOT NULL,
    signed_by TEXT DEFAULT '' NOT NULL,
    signed_us BIGINT,
    started_us BIGINT,
    ended_us BIGINT,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_rollouts_state ON rollouts (state)
;
CREATE TABLE rollout_stations (
    rollout_id BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    cohort BIGINT NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    running TEXT DEFAULT '' NOT NULL,
    message TEXT DEFAULT '' NOT NULL,
    desired_id TEXT DEFAULT '' NOT NULL,
    revision BIGINT DEFAULT 0 NOT NULL,
    expires_us BIGINT DEFAULT 0 NOT NULL,
    released_us BIGINT,
    withdrawn_us BIGINT,
    reported_us BIGINT,
    is_aside BIGINT DEFAULT 0 NOT NULL,
    CONSTRAINT pk_rollout_stations PRIMARY KEY (rollout_id, station_id)
)
;
CREATE INDEX ix_rollout_stations_station_id ON rollout_stations (station_id)
;
CREATE TABLE update_reports (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    update_id TEXT NOT NULL,
    desired_id TEXT DEFAULT '' NOT NULL,
    revision BIGINT,
    name TEXT DEFAULT '' NOT NULL,
    version TEXT DEFAULT '' NOT NULL,
    sha256 TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    running TEXT DEFAULT '' NOT NULL,
    figures TEXT DEFAULT '' NOT NULL,
    more BIGINT NOT NULL,
    CONSTRAINT uq_update_reports_station_id_update_id UNIQUE (station_id, update_id)
)
;
CREATE INDEX ix_update_reports_desired_id ON update_reports (desired_id)
;
CREATE INDEX ix_update_reports_station_id_received_us ON update_reports (station_id, received_us)
;
CREATE TABLE bundle_pins (
    station_id BIGINT NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    made_by TEXT DEFAULT '' NOT NULL,
    made_us BIGINT NOT NULL,
    PRIMARY KEY (station_id)
)
"""


def upgrade() -> None:
    """Create the tables and their indexes."""
    for statement in _STATEMENTS.format(**_DIALECTS[op.get_bind().dialect.name]).split("\n;\n"):
        op.execute(statement.strip())


def downgrade() -> None:
    """Refuse: the rollouts of people would be lost."""
    raise NotImplementedError("an earlier version has no place for rollouts")
