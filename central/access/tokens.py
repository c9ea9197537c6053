"""API tokens: a program acts with the roles of the account that created its token."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from central.access.accounts import get_account
from central.access.audit import Change
from central.access.sessions import TOKEN_PREFIX, hash_token, new_token
from central.store.access_tables import tokens
from edge.errors import UsageError

MAX_DAYS = 366
MAX_TOKENS = 50
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class TokenSummary:
    """An API token without its secret."""

    token_id: int
    label: str
    created_us: int
    expires_us: int
    used_us: int | None


def add_token(change: Change, name: str, label: str, days: int) -> str:
    """Create a token of an account and return it. It cannot be read again. Raises UsageError."""
    account = get_account(change.connection, name)
    label = "".join(char for char in label if char.isprintable()).strip()[:60]
    if not label:
        raise UsageError("a token needs a label, expected for instance: line report")
    if not 1 <= days <= MAX_DAYS:
        raise UsageError(f"a token is valid for 1 to {MAX_DAYS} days, not {days}")
    if len(read_tokens(change.connection, account.account_id)) >= MAX_TOKENS:
        raise UsageError(f"an account has at most {MAX_TOKENS} tokens")
    token = TOKEN_PREFIX + new_token()
    change.connection.execute(
        tokens.insert().values(
            user_id=account.account_id,
            hash=hash_token(token),
            label=label,
            created_us=change.now_us,
            expires_us=change.now_us + days * _DAY_US,
        )
    )
    change.record("token.created", account.name, {"label": label, "days": days})
    return token


def remove_token(change: Change, name: str, token_id: int) -> None:
    """Remove a token of an account. Raises UsageError where it has no such token."""
    account = get_account(change.connection, name)
    where = (tokens.c.id == token_id, tokens.c.user_id == account.account_id)
    label = change.connection.execute(select(tokens.c.label).where(*where)).scalar()
    if label is None:
        raise UsageError(f"account {account.name!r} has no token with the number {token_id}")
    change.connection.execute(delete(tokens).where(*where))
    change.record("token.removed", account.name, {"label": label})


def read_tokens(connection: Connection, account_id: int) -> tuple[TokenSummary, ...]:
    """Return the tokens of an account, the oldest first."""
    names = ("id", "label", "created_us", "expires_us", "used_us")
    rows = connection.execute(
        select(*(tokens.c[name] for name in names))
        .where(tokens.c.user_id == account_id)
        .order_by(tokens.c.id)
    )
    return tuple(TokenSummary(*row) for row in rows)
