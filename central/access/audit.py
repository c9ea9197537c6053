"""The audit log: who did what, when and on what, in a chain of hashes.

Each row has the hash of the row before it. Its own hash is the SHA-256 of the canonical JSON of
``[previous, sequence, at_us, who, via, address, action, object, detail]``. A changed, removed or
inserted row therefore breaks the chain behind it. Rows that are cut off the end leave a chain that
is correct: the log of the program has each hash, and ``verify`` compares one with the chain.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from central.store.access_tables import audit
from central.store.database import Database
from edge.errors import OutfeedError

_log = logging.getLogger(__name__)

GENESIS = "0" * 64
"""The hash in front of the first row."""

# The key of PostgreSQL's advisory lock for the end of the chain; any fixed number serves.
_LOCK = 0x6F757461756474
_MAX_TEXT = 2_000
_PAGE = 1_000


class AuditError(OutfeedError):
    """The audit log is not what it was when its rows were written."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program that changes something. via: how it proved its name."""

    name: str
    via: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the audit log. detail: canonical JSON."""

    sequence: int
    at_us: int
    who: str
    via: str
    address: str
    action: str
    object: str
    detail: str
    previous: str
    hash: str

    def computed(self) -> str:
        """Return the hash that belongs to the fields of this row."""
        fields = [
            *(self.previous, self.sequence, self.at_us, self.who, self.via),
            *(self.address, self.action, self.object, self.detail),
        ]
        return hashlib.sha256(canonical(fields).encode()).hexdigest()


class Change:
    """An open transaction whose changes are recorded in the audit log. For one thread."""

    def __init__(self, connection: Connection, actor: Actor, now_us: int) -> None:
        self.connection = connection
        self.actor = actor
        self.now_us = now_us
        self.entries: list[AuditEntry] = []

    def record(self, action: str, subject: str, detail: Mapping[str, object] | None = None) -> None:
        """Append a row. action: a noun and a verb, for instance ``account.created``.

        Text beyond 2,000 characters is cut off.
        """
        last = self._last()
        entry = AuditEntry(
            sequence=last[0] + 1,
            at_us=self.now_us,
            who=_short(self.actor.name),
            via=_short(self.actor.via),
            address=_short(self.actor.address),
            action=action,
            object=_short(subject),
            detail=_short(canonical(dict(detail or {}))),
            previous=last[1],
            hash="",
        )
        values = {name: getattr(entry, name) for name in AuditEntry.__slots__}
        values["hash"] = entry.computed()
        self.connection.execute(audit.insert(), values)
        self.entries.append(AuditEntry(**values))

    def _last(self) -> tuple[int, str]:
        if self.entries:
            return self.entries[-1].sequence, self.entries[-1].hash
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        row = self.connection.execute(
            select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(1)
        ).first()
        return (0, GENESIS) if row is None else (int(row[0]), str(row[1]))


@contextmanager
def audited(database: Database, actor: Actor, now_us: int) -> Iterator[Change]:
    """Open a transaction that changes something and records it.

    Every change of accounts, sessions, places and requests goes through here. Nothing is committed
    where the body raises an error, or where it records nothing (RuntimeError). Blocks.
    """
    with database.write() as connection:
        change = Change(connection, actor, now_us)
        yield change
        if not change.entries:
            raise RuntimeError("a change was not recorded in the audit log")
    for entry in change.entries:
        _log.info("audit_written sequence=%s hash=%s", entry.sequence, entry.hash)


def read_entries(
    connection: Connection, *, before: int | None = None, limit: int = 100
) -> tuple[AuditEntry, ...]:
    """Return the latest rows, newest first. before: only rows with a smaller sequence number."""
    statement = select(audit).order_by(audit.c.sequence.desc()).limit(limit)
    if before is not None:
        statement = statement.where(audit.c.sequence < before)
    return tuple(AuditEntry(*row) for row in connection.execute(statement))


def iterate_entries(connection: Connection) -> Iterator[AuditEntry]:
    """Yield all rows, oldest first, with bounded memory."""
    after = 0
    while True:
        rows = connection.execute(
            select(audit).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(_PAGE)
        ).all()
        for row in rows:
            yield AuditEntry(*row)
        if len(rows) < _PAGE:
            return
        after = rows[-1].sequence


def count_entries(connection: Connection) -> int:
    """Return the number of rows."""
    return connection.execute(select(func.count()).select_from(audit)).scalar_one()


def verify(connection: Connection, head: tuple[int, str] | None = None) -> AuditEntry | None:
    """Check the whole chain and return its last row; None where the log is empty.

    head: a sequence number and its hash that were noted earlier. Raises AuditError with the first
    row that does not fit.
    """
    last: AuditEntry | None = None
    for entry in iterate_entries(connection):
        expected = (1, GENESIS) if last is None else (last.sequence + 1, last.hash)
        if entry.sequence != expected[0]:
            raise AuditError(f"audit: row {expected[0]} is missing, row {entry.sequence} follows")
        if entry.previous != expected[1] or entry.computed() != entry.hash:
            raise AuditError(f"audit: row {entry.sequence} was changed")
        if head is not None and entry.sequence == head[0] and entry.hash != head[1]:
            raise AuditError(f"audit: row {entry.sequence} has another hash than was noted")
        last = entry
    if head is not None and (last is None or last.sequence < head[0]):
        count = 0 if last is None else last.sequence
        raise AuditError(f"audit: row {head[0]} is missing, the log ends with row {count}")
    return last


def canonical(value: object) -> str:
    """Return JSON with sorted keys and without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _short(value: str) -> str:
    # PostgreSQL stores no NUL, and UTF-8 has no surrogates.
    clean = value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= _MAX_TEXT else clean[:_MAX_TEXT] + "…"
