"""The login with name and password."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from central.access.audit import Actor, audited
from central.access.names import is_account_name
from central.access.passwords import hash_password, is_outdated, verify_password
from central.access.sessions import Client, SessionLimits, close_session, open_session
from central.access.throttle import begin_attempt, end_attempt
from central.store.access_tables import users
from central.store.database import Database

VIA_PASSWORD = "password"


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The token of a new session; empty where the login failed. wait_us: before the next try."""

    token: str = ""
    wait_us: int = 0


def log_in(
    database: Database,
    name: str,
    password: str,
    client: Client,
    *,
    now_us: int,
    limits: SessionLimits,
    old_token: str = "",
) -> LoginResult:
    """Check name and password, and open a session with a new token.

    A wrong name takes as long as a wrong password. old_token: the session that the browser had; it
    is ended. A failure of an unknown name is recorded without the name, because people type their
    password there. Blocks for about 0.1 s. Raises the errors of SQLAlchemy.
    """
    is_name = is_account_name(name)
    plain = name.casefold() if is_name else ""
    with database.write() as connection:
        wait_us = begin_attempt(connection, plain, client.address, now_us)
        row = connection.execute(
            select(users.c.id, users.c.name, users.c.password, users.c.disabled).where(
                users.c.name == plain
            )
        ).first()
    if wait_us:
        return LoginResult(wait_us=wait_us)
    is_right = verify_password(password, "" if row is None else row.password)
    known = "" if row is None else row.name
    actor = Actor(known or "unknown", VIA_PASSWORD, client.address)
    if row is None or not is_right or row.disabled:
        with audited(database, actor, now_us) as change:
            why = "unknown" if row is None else "disabled" if is_right else "password"
            change.record("login.failed", known, {"cause": why})
        return LoginResult()
    with audited(database, actor, now_us) as change:
        end_attempt(change.connection, plain, client.address)
        if is_outdated(row.password):
            change.connection.execute(
                update(users).where(users.c.id == row.id).values(password=hash_password(password))
            )
        if old_token:
            close_session(change.connection, old_token)
        token = open_session(
            change.connection, row.id, VIA_PASSWORD, client, now_us=now_us, limits=limits
        )
        change.record("login", known)
    return LoginResult(token)


def log_out(database: Database, token: str, actor: Actor, now_us: int) -> None:
    """End the session of a token."""
    with audited(database, actor, now_us) as change:
        close_session(change.connection, token)
        change.record("logout", actor.name)
