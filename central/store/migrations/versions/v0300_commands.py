"""Tables of commands to stations, and of the stations' answers."""

from __future__ import annotations

from alembic import op

revision = "0300"
down_revision = "0200"
branch_labels = None
depends_on = None

# A column that the database numbers.
_DIALECTS = {"sqlite": {"id": "INTEGER"}, "postgresql": {"id": "BIGSERIAL"}}

_STATEMENTS = """
CREATE TABLE commands (
    id {id} NOT NULL,
    station_id BIGINT NOT NULL,
    kind TEXT DEFAULT '' NOT NULL,
    action TEXT DEFAULT '' NOT NULL,
    journal TEXT DEFAULT '' NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    expires_us BIGINT NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    answer TEXT DEFAULT '' NOT NULL,
    asked_by TEXT DEFAULT '' NOT NULL,
    asked_us BIGINT NOT NULL,
    signed TEXT DEFAULT '' NOT NULL,
    command_id TEXT DEFAULT '' NOT NULL,
    key TEXT DEFAULT '' NOT NULL,
    counter BIGINT DEFAULT 0 NOT NULL,
    signed_by TEXT DEFAULT '' NOT NULL,
    signed_us BIGINT,
    answered_us BIGINT,
    PRIMARY KEY (id)
)
;
CREATE INDEX ix_commands_station_id_id ON commands (station_id, id)
;
CREATE INDEX ix_commands_command_id ON commands (command_id)
;
CREATE INDEX ix_commands_state ON commands (state)
;
CREATE TABLE command_answers (
    received_us BIGINT NOT NULL,
    station_id BIGINT NOT NULL,
    journal_id BIGINT NOT NULL,
    run TEXT DEFAULT '' NOT NULL,
    sequence BIGINT NOT NULL,
    command_id TEXT DEFAULT '' NOT NULL,
    kind TEXT DEFAULT '' NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    key TEXT DEFAULT '' NOT NULL,
    counter BIGINT,
    more BIGINT NOT NULL,
    decided_utc TEXT NOT NULL,
    CONSTRAINT uq_command_answers_answer UNIQUE (station_id, command_id, state, decided_utc)
)
;
CREATE INDEX ix_command_answers_station_id_received_us ON command_answers (station_id, received_us)
"""


def upgrade() -> None:
    """Create the tables and their indexes."""
    for statement in _STATEMENTS.format(**_DIALECTS[op.get_bind().dialect.name]).split("\n;\n"):
        op.execute(statement.strip())


def downgrade() -> None:
    """Refuse: the commands of people would be lost."""
    raise NotImplementedError("an earlier version has no place for commands")
