"""The tables of accounts, sessions, the audit log and requests, for SQLite and PostgreSQL.

Times are microseconds since 1970 UTC. Triggers of the migration refuse every UPDATE and DELETE of
``audit``.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
)

from central.store.columns import ROW_NUMBER, identity, number, optional_time, words
from central.store.tables import metadata

users = Table(
    "users",
    metadata,
    identity(),
    # Lower case. People log in with it, and the audit log names it.
    Column("name", Text, nullable=False, unique=True),
    words("display"),
    # The argon2id hash with its parameters; empty for an account of OpenID Connect.
    words("password"),
    # The provider's address and the subject there; empty for a local account.
    words("issuer"),
    words("subject"),
    # 1: the account cannot be used.
    number("disabled", default=0),
    number("created_us"),
    number("password_us", default=0),
    optional_time("seen_us"),
    Index("ix_users_issuer_subject", "issuer", "subject"),
)

user_roles = Table(
    "user_roles",
    metadata,
    identity(),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("role", Text, nullable=False),
    # The scope: a line, a plant, or everything where both are null.
    Column("plant_id", BigInteger, ForeignKey("plants.id"), nullable=True),
    Column("line_id", BigInteger, ForeignKey("lines.id"), nullable=True),
    Index("ix_user_roles_user_id", "user_id"),
)

plants = Table("plants", metadata, identity(), Column("name", Text, nullable=False, unique=True))

lines = Table(
    "lines",
    metadata,
    identity(),
    Column("plant_id", BigInteger, ForeignKey("plants.id"), nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("plant_id", "name", name="uq_lines_plant_id_name"),
)

station_lines = Table(
    "station_lines",
    metadata,
    # The name, because a station may be assigned before its first event.
    Column("station", Text, primary_key=True),
    Column("line_id", BigInteger, ForeignKey("lines.id"), nullable=False),
    Index("ix_station_lines_line_id", "line_id"),
)

sessions = Table(
    "sessions",
    metadata,
    # SHA-256 of the token in the cookie.
    Column("hash", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    words("via"),
    words("address"),
    words("agent"),
    number("created_us"),
    number("used_us"),
    Index("ix_sessions_user_id", "user_id"),
)

tokens = Table(
    "tokens",
    metadata,
    identity(),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    # SHA-256 of the token.
    Column("hash", Text, nullable=False, unique=True),
    words("label"),
    number("created_us"),
    number("expires_us"),
    optional_time("used_us"),
    Index("ix_tokens_user_id", "user_id"),
)

attempts = Table(
    "attempts",
    metadata,
    # account:NAME or address:ADDRESS.
    Column("name", Text, primary_key=True),
    number("failures"),
    number("last_us"),
    # The time before which no attempt is looked at.
    number("until_us"),
    Index("ix_attempts_last_us", "last_us"),
)

openid_logins = Table(
    "openid_logins",
    metadata,
    # SHA-256 of the token in the cookie of the browser that began the login.
    Column("hash", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    words("target"),
    number("expires_us"),
)

audit = Table(
    "audit",
    metadata,
    # From 1, and each number occurs.
    Column(
        "sequence",
        ROW_NUMBER,
        primary_key=True,
        autoincrement=False,
    ),
    number("at_us"),
    words("who"),
    words("via"),
    words("address"),
    words("action"),
    words("object"),
    # JSON.
    words("detail"),
    # The hash of the row before, and of this one, as central/access/audit.py describes.
    words("previous"),
    words("hash"),
    Index("ix_audit_at_us", "at_us"),
)

requests = Table(
    "requests",
    metadata,
    identity(),
    Column("action", Text, nullable=False),
    words("object"),
    # JSON.
    words("detail"),
    words("reason"),
    Column("asked_by", BigInteger, ForeignKey("users.id"), nullable=False),
    number("asked_us"),
    number("expires_us"),
    # open, done, refused or withdrawn.
    words("state"),
    Column("decided_by", BigInteger, ForeignKey("users.id"), nullable=True),
    optional_time("decided_us"),
    Index("ix_requests_state", "state"),
)
