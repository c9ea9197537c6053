"""The limit of login attempts, per account and per address of the client.

An attempt is counted before its password is looked at, so that attempts at the same time do not
escape the limit. The counts are in the database, so that they hold for all processes and starts.
"""

from __future__ import annotations

import ipaddress

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite

from central.store.access_tables import attempts

_SECOND_US = 1_000_000
# The key of PostgreSQL's advisory lock for the counts; any fixed number serves.
_LOCK = 0x6F757474687274
FORGET_US = 24 * 3600 * _SECOND_US
"""A count is forgotten after this time without a failure."""

ACCOUNT_FREE = 5
ACCOUNT_LONGEST_US = 60 * _SECOND_US
"""The longest pause of an account. It is short: a stranger must not lock a person out."""

ADDRESS_FREE = 20
ADDRESS_LONGEST_US = 900 * _SECOND_US


def pause_us(failures: int, free: int, longest_us: int) -> int:
    """Return the pause after a number of failures: none, then 1 s, 2 s, 4 s, up to the longest."""
    if failures < free:
        return 0
    return min(_SECOND_US << min(failures - free, 20), longest_us)


def begin_attempt(connection: Connection, account: str, address: str, now_us: int) -> int:
    """Count an attempt. Return 0 where it may go on, otherwise the time to wait in µs.

    An attempt that has to wait is not counted. The transaction must be committed in either case.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    connection.execute(delete(attempts).where(attempts.c.last_us < now_us - FORGET_US))
    keys = (
        (f"account:{account}", ACCOUNT_FREE, ACCOUNT_LONGEST_US),
        (f"address:{_network(address)}", ADDRESS_FREE, ADDRESS_LONGEST_US),
    )
    waits = [_read(connection, key) for key, _, _ in keys]
    # A pause that is longer than the longest one comes from a clock that was set back.
    left = [
        until - now_us if until - now_us <= longest else 0
        for (_, until), (_, _, longest) in zip(waits, keys, strict=True)
    ]
    if max(left) > 0:
        return max(left)
    for (failures, _), (key, free, longest) in zip(waits, keys, strict=True):
        count = failures + 1
        _write(connection, key, count, now_us, now_us + pause_us(count, free, longest))
    return 0


def end_attempt(connection: Connection, account: str, address: str) -> None:
    """Forget the failures of an account after a login, and this attempt of the address."""
    connection.execute(delete(attempts).where(attempts.c.name == f"account:{account}"))
    key = f"address:{_network(address)}"
    connection.execute(
        attempts.update()
        .where(attempts.c.name == key, attempts.c.failures > 0)
        .values(failures=attempts.c.failures - 1, until_us=0)
    )


def _network(address: str) -> str:
    """Return the address, or the /64 network of an IPv6 address, which one client owns."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _read(connection: Connection, key: str) -> tuple[int, int]:
    row = connection.execute(
        select(attempts.c.failures, attempts.c.until_us).where(attempts.c.name == key)
    ).first()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _write(connection: Connection, key: str, failures: int, now_us: int, until_us: int) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"name": key, "failures": failures, "last_us": now_us, "until_us": until_us}
    statement = insert(attempts).values(row)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={name: statement.excluded[name] for name in ("failures", "last_us", "until_us")},
        )
    )
