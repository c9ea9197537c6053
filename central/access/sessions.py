"""Sessions of browsers: random tokens in a cookie, of which the database has the hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from central.access.accounts import read_grants
from central.access.caller import Caller
from central.access.places import read_places
from central.store.access_tables import sessions, tokens, users
from central.store.database import Database

TOKEN_PREFIX = "oft_"
"""The beginning of every API token, so that scanners of files find one that was published."""

_TOKEN_BYTES = 32
_MINUTE_US = 60_000_000
_MAX_AGENT = 200


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The life of a session in µs, without use and altogether."""

    idle_us: int
    absolute_us: int


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session as its owner sees it. is_own: the one that asks."""

    key: str
    via: str
    address: str
    agent: str
    created_us: int
    used_us: int
    is_own: bool


@dataclass(frozen=True, slots=True)
class Client:
    """The browser or program that sends a request."""

    address: str
    agent: str = ""


def new_token() -> str:
    """Return a random token of 256 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token. It needs no salt, because a token is random."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def csrf_of(token: str) -> str:
    """Return the token for forms that belongs to a session. It does not give the session away."""
    return hmac.new(token.encode("utf-8", "replace"), b"csrf", hashlib.sha256).hexdigest()


def open_session(
    connection: Connection,
    account_id: int,
    via: str,
    client: Client,
    *,
    now_us: int,
    limits: SessionLimits,
) -> str:
    """Create a session and return its token. Sessions beyond their life are removed."""
    expired = (sessions.c.used_us < now_us - limits.idle_us) | (
        sessions.c.created_us < now_us - limits.absolute_us
    )
    connection.execute(delete(sessions).where(expired))
    token = new_token()
    agent = "".join(char for char in client.agent if char.isprintable())[:_MAX_AGENT]
    connection.execute(
        sessions.insert().values(
            hash=hash_token(token),
            user_id=account_id,
            via=via,
            address=client.address,
            agent=agent,
            created_us=now_us,
            used_us=now_us,
        )
    )
    connection.execute(update(users).where(users.c.id == account_id).values(seen_us=now_us))
    return token


def find_session(
    database: Database, token: str, client: Client, *, now_us: int, limits: SessionLimits
) -> Caller | None:
    """Return the caller of a session; None where it does not exist or is beyond its life.

    The time of use is written once a minute. Blocks. Raises StoreError.
    """
    key = hash_token(token)
    with database.read() as connection:
        row = connection.execute(
            select(users.c.id, users.c.name, sessions.c.via, sessions.c.used_us)
            .join(users, users.c.id == sessions.c.user_id)
            .where(
                sessions.c.hash == key,
                sessions.c.used_us >= now_us - limits.idle_us,
                sessions.c.created_us >= now_us - limits.absolute_us,
                users.c.disabled == 0,
            )
        ).first()
        if row is None:
            return None
        caller = Caller(
            name=row.name,
            grants=read_grants(connection, row.id),
            via=row.via,
            account_id=row.id,
            csrf=csrf_of(token),
            places=read_places(connection),
            address=client.address,
        )
    if now_us - row.used_us >= _MINUTE_US:
        with database.write() as connection:
            connection.execute(
                update(sessions).where(sessions.c.hash == key).values(used_us=now_us)
            )
    return caller


def close_session(connection: Connection, token: str) -> None:
    """End a session."""
    connection.execute(delete(sessions).where(sessions.c.hash == hash_token(token)))


def read_sessions(
    connection: Connection, account_id: int, token: str
) -> tuple[SessionSummary, ...]:
    """Return the sessions of an account, the latest first. token: of the session that asks."""
    own = hash_token(token)
    rows = connection.execute(
        select(sessions).where(sessions.c.user_id == account_id).order_by(sessions.c.used_us.desc())
    )
    return tuple(
        SessionSummary(
            row.hash[:12],
            row.via,
            row.address,
            row.agent,
            row.created_us,
            row.used_us,
            row.hash == own,
        )
        for row in rows
    )


def find_token(database: Database, token: str, client: Client, *, now_us: int) -> Caller | None:
    """Return the caller of an API token; None where it does not exist or has expired.

    Blocks. Raises StoreError.
    """
    key = hash_token(token)
    with database.read() as connection:
        row = connection.execute(
            select(users.c.id, users.c.name, tokens.c.id.label("number"), tokens.c.used_us)
            .join(users, users.c.id == tokens.c.user_id)
            .where(tokens.c.hash == key, tokens.c.expires_us > now_us, users.c.disabled == 0)
        ).first()
        if row is None:
            return None
        caller = Caller(
            name=row.name,
            grants=read_grants(connection, row.id),
            via="token",
            account_id=row.id,
            places=read_places(connection),
            address=client.address,
        )
    if row.used_us is None or now_us - row.used_us >= _MINUTE_US:
        with database.write() as connection:
            connection.execute(
                update(tokens).where(tokens.c.id == row.number).values(used_us=now_us)
            )
    return caller
