"""Accounts of people, and their roles.

Each function that changes something takes a Change, and records what it did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Row, delete, func, select, update

from central.access.audit import Change
from central.access.caller import Grant
from central.access.names import check_account_name
from central.access.passwords import check_new_password, hash_password
from central.access.permissions import Role
from central.store.access_tables import lines, plants, sessions, tokens, user_roles, users
from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Account:
    """An account without its password. issuer: the provider; empty for a local account."""

    account_id: int
    name: str
    display: str
    issuer: str
    subject: str
    is_disabled: bool
    has_password: bool
    created_us: int
    seen_us: int | None
    grants: tuple[Grant, ...]

    @property
    def is_admin(self) -> bool:
        """Return whether one of the roles is admin."""
        return any(grant.role is Role.ADMIN for grant in self.grants)


def find_account(connection: Connection, name: str) -> Account | None:
    """Return the account with a name; None where there is none."""
    row = connection.execute(select(users).where(users.c.name == name.casefold())).first()
    return None if row is None else _account(connection, row)


def find_subject(connection: Connection, issuer: str, subject: str) -> Account | None:
    """Return the account of a subject of a provider; None where there is none."""
    row = connection.execute(
        select(users).where(users.c.issuer == issuer, users.c.subject == subject)
    ).first()
    return None if row is None else _account(connection, row)


def get_account(connection: Connection, name: str) -> Account:
    """Return the account with a name. Raises UsageError where there is none."""
    account = find_account(connection, name)
    if account is None:
        raise UsageError(f"there is no account {name[:80]!r}")
    return account


def read_account(connection: Connection, account_id: int) -> Account | None:
    """Return the account with a number; None where there is none."""
    row = connection.execute(select(users).where(users.c.id == account_id)).first()
    return None if row is None else _account(connection, row)


def read_accounts(connection: Connection) -> tuple[Account, ...]:
    """Return all accounts by name."""
    rows = connection.execute(select(users).order_by(users.c.name)).all()
    return tuple(_account(connection, row) for row in rows)


def count_admins(connection: Connection) -> int:
    """Return the number of accounts that can log in and have the role admin."""
    statement = (
        select(func.count(func.distinct(users.c.id)))
        .join(user_roles, user_roles.c.user_id == users.c.id)
        .where(users.c.disabled == 0, user_roles.c.role == Role.ADMIN.value)
    )
    return int(connection.execute(statement).scalar_one())


def add_account(
    change: Change,
    name: str,
    *,
    password: str | None = None,
    display: str = "",
    issuer: str = "",
    subject: str = "",
) -> Account:
    """Create an account without roles.

    password: None: it cannot log in with one. Raises UsageError, and PasswordRefusedError.
    """
    name = check_account_name(name)
    if find_account(change.connection, name) is not None:
        raise UsageError(f"there is an account {name!r} already")
    stored = ""
    if password is not None:
        check_new_password(password, name)
        stored = hash_password(password)
    change.connection.execute(
        users.insert().values(
            name=name,
            display=_display(display),
            password=stored,
            issuer=issuer,
            subject=subject,
            created_us=change.now_us,
            password_us=change.now_us if stored else 0,
        )
    )
    change.record("account.created", name, {"issuer": issuer} if issuer else {})
    return get_account(change.connection, name)


def set_password(change: Change, name: str, password: str) -> None:
    """Give an account a new password, and end its sessions. Raises UsageError."""
    account = get_account(change.connection, name)
    if account.issuer:
        raise UsageError(f"account {name!r} logs in at {account.issuer}, and has no password here")
    check_new_password(password, account.name)
    change.connection.execute(
        update(users)
        .where(users.c.id == account.account_id)
        .values(password=hash_password(password), password_us=change.now_us)
    )
    end_sessions(change.connection, account.account_id)
    change.record("account.password", account.name)


def set_disabled(change: Change, name: str, is_disabled: bool) -> None:
    """Disable an account and end its sessions and tokens, or enable it. Raises UsageError."""
    account = get_account(change.connection, name)
    change.connection.execute(
        update(users)
        .where(users.c.id == account.account_id)
        .values(disabled=1 if is_disabled else 0)
    )
    if is_disabled:
        end_sessions(change.connection, account.account_id)
        change.connection.execute(delete(tokens).where(tokens.c.user_id == account.account_id))
    change.record("account.disabled" if is_disabled else "account.enabled", account.name)


def set_grants(change: Change, name: str, grants: Iterable[Grant]) -> None:
    """Replace the roles of an account. Raises UsageError.

    They are in force with the next request of each session.
    """
    account = get_account(change.connection, name)
    new = tuple(dict.fromkeys(grants))
    change.connection.execute(delete(user_roles).where(user_roles.c.user_id == account.account_id))
    for grant in new:
        change.connection.execute(
            user_roles.insert().values(
                user_id=account.account_id,
                role=grant.role.value,
                plant_id=grant.plant_id,
                line_id=grant.line_id,
            )
        )
    detail = {
        "before": [describe_grant(change.connection, each) for each in account.grants],
        "roles": [describe_grant(change.connection, each) for each in new],
    }
    change.record("account.roles", account.name, detail)


def end_sessions(connection: Connection, account_id: int, *, except_hash: str = "") -> None:
    """End all sessions of an account but one."""
    connection.execute(
        delete(sessions).where(sessions.c.user_id == account_id, sessions.c.hash != except_hash)
    )


def read_grants(connection: Connection, account_id: int) -> tuple[Grant, ...]:
    """Return the roles of an account. A role that this program does not know gives nothing."""
    statement = (
        select(user_roles.c.role, user_roles.c.plant_id, user_roles.c.line_id)
        .where(user_roles.c.user_id == account_id)
        .order_by(user_roles.c.id)
    )
    known = {role.value: role for role in Role}
    return tuple(
        Grant(known[role], plant, line)
        for role, plant, line in connection.execute(statement)
        if role in known
    )


def describe_grant(connection: Connection, grant: Grant) -> str:
    """Return a role with its scope, for instance ``quality at Ulm/press line``."""
    if grant.is_whole:
        return grant.role.value
    if grant.line_id is not None:
        row = connection.execute(
            select(plants.c.name, lines.c.name)
            .join(lines, lines.c.plant_id == plants.c.id)
            .where(lines.c.id == grant.line_id)
        ).one()
        return f"{grant.role.value} at {row[0]}/{row[1]}"
    name = connection.execute(select(plants.c.name).where(plants.c.id == grant.plant_id)).scalar()
    return f"{grant.role.value} at {name}"


def _account(connection: Connection, row: Row[tuple[object, ...]]) -> Account:
    values = row._mapping
    return Account(
        account_id=values["id"],
        name=values["name"],
        display=values["display"],
        issuer=values["issuer"],
        subject=values["subject"],
        is_disabled=bool(values["disabled"]),
        has_password=bool(values["password"]),
        created_us=values["created_us"],
        seen_us=values["seen_us"],
        grants=read_grants(connection, values["id"]),
    )


def _display(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:100]
