"""The system of stations, and what they report about its updates."""

from __future__ import annotations

from alembic import op

revision = "0350"
down_revision = "0340"
branch_labels = None
depends_on = None

_STATEMENTS = """
ALTER TABLE stations ADD COLUMN system_version TEXT DEFAULT '' NOT NULL
;
ALTER TABLE stations ADD COLUMN system_slot TEXT DEFAULT '' NOT NULL
;
CREATE TABLE system_reports (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    change_id TEXT NOT NULL,
    update_id TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    version TEXT DEFAULT '' NOT NULL,
    slot TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    running TEXT DEFAULT '' NOT NULL,
    running_slot TEXT DEFAULT '' NOT NULL,
    CONSTRAINT uq_system_reports_station_id_change_id UNIQUE (station_id, change_id)
)
;
CREATE INDEX ix_system_reports_station_id_received_us ON system_reports (station_id, received_us)
"""


def upgrade() -> None:
    """Add the columns and the table."""
    for statement in _STATEMENTS.split("\n;\n"):
        op.execute(statement.strip())


def downgrade() -> None:
    """Refuse: the reports of stations would be lost."""
    raise NotImplementedError("an earlier version has no place for updates of systems")
