"""Tables of accounts, sessions, the audit log and requests, and the triggers of the audit log."""

from __future__ import annotations

from alembic import op

revision = "0100"
down_revision = "0001"
branch_labels = None
depends_on = None

# id: a column that the database numbers. number: a key that the program numbers.
_DIALECTS = {
    "sqlite": {"id": "INTEGER", "number": "INTEGER"},
    "postgresql": {"id": "BIGSERIAL", "number": "BIGINT"},
}

_STATEMENTS = """
CREATE TABLE plants (
    id {id} NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
)
;
CREATE TABLE lines (
    id {id} NOT NULL,
    plant_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uq_lines_plant_id_name UNIQUE (plant_id, name),
    FOREIGN KEY(plant_id) REFERENCES plants (id)
)
;
CREATE TABLE users (
    id {id} NOT NULL,
    name TEXT NOT NULL,
    display TEXT DEFAULT '' NOT NULL,
    password TEXT DEFAULT '' NOT NULL,
    issuer TEXT DEFAULT '' NOT NULL,
    subject TEXT DEFAULT '' NOT NULL,
    disabled BIGINT DEFAULT 0 NOT NULL,
    created_us BIGINT NOT NULL,
    password_us BIGINT DEFAULT 0 NOT NULL,
    seen_us BIGINT,
    PRIMARY KEY (id),
    UNIQUE (name)
)
;
CREATE INDEX ix_users_issuer_subject ON users (issuer, subject)
;
CREATE TABLE user_roles (
    id {id} NOT NULL,
    user_id BIGINT NOT NULL,
    role TEXT NOT NULL,
    plant_id BIGINT,
    line_id BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(user_id) REFERENCES users (id),
    FOREIGN KEY(plant_id) REFERENCES plants (id),
    FOREIGN KEY(line_id) REFERENCES lines (id)
)
;
CREATE INDEX ix_user_roles_user_id ON user_roles (user_id)
;
CREATE TABLE station_lines (
    station TEXT NOT NULL,
    line_id BIGINT NOT NULL,
    PRIMARY KEY (station),
    FOREIGN KEY(line_id) REFERENCES lines (id)
)
;
CREATE INDEX ix_station_lines_line_id ON station_lines (line_id)
;
CREATE TABLE sessions (
    hash TEXT NOT NULL,
    user_id BIGINT NOT NULL,
    via TEXT DEFAULT '' NOT NULL,
    address TEXT DEFAULT '' NOT NULL,
    agent TEXT DEFAULT '' NOT NULL,
    created_us BIGINT NOT NULL,
    used_us BIGINT NOT NULL,
    PRIMARY KEY (hash),
    FOREIGN KEY(user_id) REFERENCES users (id)
)
;
CREATE INDEX ix_sessions_user_id ON sessions (user_id)
;
CREATE TABLE tokens (
    id {id} NOT NULL,
    user_id BIGINT NOT NULL,
    hash TEXT NOT NULL,
    label TEXT DEFAULT '' NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    used_us BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(user_id) REFERENCES users (id),
    UNIQUE (hash)
)
;
CREATE INDEX ix_tokens_user_id ON tokens (user_id)
;
CREATE TABLE attempts (
    name TEXT NOT NULL,
    failures BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    until_us BIGINT NOT NULL,
    PRIMARY KEY (name)
)
;
CREATE INDEX ix_attempts_last_us ON attempts (last_us)
;
CREATE TABLE openid_logins (
    hash TEXT NOT NULL,
    state TEXT NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    target TEXT DEFAULT '' NOT NULL,
    expires_us BIGINT NOT NULL,
    PRIMARY KEY (hash)
)
;
CREATE TABLE audit (
    sequence {number} NOT NULL,
    at_us BIGINT NOT NULL,
    who TEXT DEFAULT '' NOT NULL,
    via TEXT DEFAULT '' NOT NULL,
    address TEXT DEFAULT '' NOT NULL,
    action TEXT DEFAULT '' NOT NULL,
    object TEXT DEFAULT '' NOT NULL,
    detail TEXT DEFAULT '' NOT NULL,
    previous TEXT DEFAULT '' NOT NULL,
    hash TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (sequence)
)
;
CREATE INDEX ix_audit_at_us ON audit (at_us)
;
CREATE TABLE requests (
    id {id} NOT NULL,
    action TEXT NOT NULL,
    object TEXT DEFAULT '' NOT NULL,
    detail TEXT DEFAULT '' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    asked_by BIGINT NOT NULL,
    asked_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    state TEXT DEFAULT '' NOT NULL,
    decided_by BIGINT,
    decided_us BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(asked_by) REFERENCES users (id),
    FOREIGN KEY(decided_by) REFERENCES users (id)
)
;
CREATE INDEX ix_requests_state ON requests (state)
"""

_REFUSAL = "the audit log is append-only"

_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for verb in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$",
        "CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    ],
}


def upgrade() -> None:
    """Create the tables, their indexes and the triggers."""
    dialect = op.get_bind().dialect.name
    for statement in _STATEMENTS.format(**_DIALECTS[dialect]).split("\n;\n"):
        op.execute(statement.strip())
    for statement in _TRIGGERS[dialect]:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: the audit log is never removed."""
    raise NotImplementedError("the audit log has no earlier version")
