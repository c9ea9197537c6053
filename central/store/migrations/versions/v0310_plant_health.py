"""Certificates and disks of stations, alarms of lines and plants, and lots by MQTT."""

from __future__ import annotations

from alembic import op

revision = "0310"
down_revision = "0300"
branch_labels = None
depends_on = None

_DIALECTS = {"sqlite": {"id": "INTEGER"}, "postgresql": {"id": "BIGSERIAL"}}

_STATEMENTS = """
ALTER TABLE stations ADD COLUMN certificates TEXT DEFAULT '' NOT NULL
;
ALTER TABLE stations ADD COLUMN disks TEXT DEFAULT '' NOT NULL
;
ALTER TABLE mutes ADD COLUMN place TEXT DEFAULT '' NOT NULL
;
CREATE TABLE lot_statements (
    id {id} NOT NULL,
    place TEXT NOT NULL,
    message_id TEXT NOT NULL,
    action TEXT DEFAULT '' NOT NULL,
    lot TEXT DEFAULT '' NOT NULL,
    digest TEXT DEFAULT '' NOT NULL,
    outcome TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    lot_id BIGINT,
    received_us BIGINT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_lot_statements_place_message_id UNIQUE (place, message_id)
)
"""


def upgrade() -> None:
    """Add the columns and tables."""
    for statement in _STATEMENTS.format(**_DIALECTS[op.get_bind().dialect.name]).split("\n;\n"):
        op.execute(statement.strip())


def downgrade() -> None:
    """Refuse: statements of line controllers would be lost."""
    raise NotImplementedError("an earlier version has no place for lots of line controllers")
