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
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from central.store.tables import metadata

# SQLite numbers rows by itself in a column of type INTEGER only.
_Number = BigInteger().with_variant(Integer, "sqlite")


def _identity() -> Column[int]:
    return Column("id", _Number, primary_key=True)


def _number(name: str, *, default: int | None = None) -> Column[int]:
    standard = None if default is None else text(str(default))
    return Column(name, BigInteger, nullable=False, server_default=standard)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _time(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=True)


users = Table(
    "users",
    metadata,
    _identity(),
    # Lower case. People log in with it, and the audit log names it.
    Column("name", Text, nullable=False, unique=True),
    _text("display"),
    # The argon2id hash with its parameters; empty for an account of OpenID Connect.
    _text("password"),
    # The provider's address and the subject there; empty for a local account.
    _text("issuer"),
    _text("subject"),
    # 1: the account cannot be used.
    _number("disabled", default=0),
    _number("created_us"),
    _number("password_us", default=0),
    _time("seen_us"),
    Index("ix_users_issuer_subject", "issuer", "subject"),
)

user_roles = Table(
    "user_roles",
    metadata,
    _identity(),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    Column("role", Text, nullable=False),
    # The scope: a line, a plant, or everything where both are null.
    Column("plant_id", BigInteger, ForeignKey("plants.id"), nullable=True),
    Column("line_id", BigInteger, ForeignKey("lines.id"), nullable=True),
    Index("ix_user_roles_user_id", "user_id"),
)

plants = Table("plants", metadata, _identity(), Column("name", Text, nullable=False, unique=True))

lines = Table(
    "lines",
    metadata,
    _identity(),
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
    _text("via"),
    _text("address"),
    _text("agent"),
    _number("created_us"),
    _number("used_us"),
    Index("ix_sessions_user_id", "user_id"),
)

tokens = Table(
    "tokens",
    metadata,
    _identity(),
    Column("user_id", BigInteger, ForeignKey("users.id"), nullable=False),
    # SHA-256 of the token.
    Column("hash", Text, nullable=False, unique=True),
    _text("label"),
    _number("created_us"),
    _number("expires_us"),
    _time("used_us"),
    Index("ix_tokens_user_id", "user_id"),
)

attempts = Table(
    "attempts",
    metadata,
    # account:NAME or address:ADDRESS.
    Column("name", Text, primary_key=True),
    _number("failures"),
    _number("last_us"),
    # The time before which no attempt is looked at.
    _number("until_us"),
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
    _text("target"),
    _number("expires_us"),
)

audit = Table(
    "audit",
    metadata,
    # From 1, without holes.
    Column(
        "sequence",
        _Number,
        primary_key=True,
        autoincrement=False,
    ),
    _number("at_us"),
    _text("who"),
    _text("via"),
    _text("address"),
    _text("action"),
    _text("object"),
    # JSON.
    _text("detail"),
    # The hash of the row before, and of this one, as central/access/audit.py describes.
    _text("previous"),
    _text("hash"),
    Index("ix_audit_at_us", "at_us"),
)

requests = Table(
    "requests",
    metadata,
    _identity(),
    Column("action", Text, nullable=False),
    _text("object"),
    # JSON.
    _text("detail"),
    _text("reason"),
    Column("asked_by", BigInteger, ForeignKey("users.id"), nullable=False),
    _number("asked_us"),
    _number("expires_us"),
    # open, done, refused or withdrawn.
    _text("state"),
    Column("decided_by", BigInteger, ForeignKey("users.id"), nullable=True),
    _time("decided_us"),
    Index("ix_requests_state", "state"),
)
