"""The table of restore drills."""

from __future__ import annotations

from alembic import op

revision = "0320"
down_revision = "0310"
branch_labels = None
depends_on = None

# A column that the database numbers.
_DIALECTS = {"sqlite": {"id": "INTEGER"}, "postgresql": {"id": "BIGSERIAL"}}

_STATEMENTS = """
CREATE TABLE drills (
    id {id} NOT NULL,
    began_us BIGINT NOT NULL,
    ended_us BIGINT,
    state TEXT DEFAULT '' NOT NULL,
    backup TEXT DEFAULT '' NOT NULL,
    backup_us BIGINT,
    rows BIGINT DEFAULT 0 NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_drills_state_ended_us ON drills (state, ended_us)
"""


def upgrade() -> None:
    """Create the table and its index."""
    for statement in _STATEMENTS.format(**_DIALECTS[op.get_bind().dialect.name]).split("\n;\n"):
        op.execute(statement.strip())


def downgrade() -> None:
    """Refuse: the results of drills would be lost."""
    raise NotImplementedError("an earlier version has no place for restore drills")
