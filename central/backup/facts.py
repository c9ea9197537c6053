"""Figures of a database that a restored copy must have too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, Table, func, inspect, select
from sqlalchemy import table as named_table

from central.access.audit import read_entries
from central.store import access_tables, drills, plant_tables
from central.store.tables import metadata
from edge.errors import OutfeedError
from edge.validation_messages import describe

# Their tables are part of the metadata once they are imported.
_OWN = (access_tables, drills, plant_tables)


class BackupError(OutfeedError):
    """A copy of the database could not be made, is damaged, or cannot be restored."""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The figures of a database at one moment.

    counts: rows by table. since_us: rows that were received earlier are not counted; 0: all are.
    audit_sequence, audit_hash: the last row of the audit log; 0 and "" where it is empty.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    since_us: int = 0
    audit_sequence: int = 0
    audit_hash: str = ""

    @property
    def audit_head(self) -> tuple[int, str] | None:
        """Return the last row of the audit log as ``verify`` takes it."""
        return (self.audit_sequence, self.audit_hash) if self.audit_sequence else None


class BackupRecord(BaseModel):
    """The file beside a copy, ``NAME.json``: what the copy must contain.

    sha256: of the whole copy, in hexadecimal digits. made_us: the moment of the copy.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    made_us: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    counts: dict[str, int]
    audit_sequence: int = Field(ge=0)
    audit_hash: str

    @property
    def facts(self) -> BackupFacts:
        """Return the figures of the database at the moment of the copy."""
        return BackupFacts(self.counts, 0, self.audit_sequence, self.audit_hash)


def parse_record(text: str, name: str) -> BackupRecord:
    """Read the text of a record. name: of its file. Raises BackupError."""
    try:
        return BackupRecord.model_validate_json(text)
    except ValidationError as error:
        raise BackupError(f"{name}: is no record of a copy: {describe(error)}") from error


def read_facts(connection: Connection, *, since_us: int = 0) -> BackupFacts:
    """Return the figures of a database in the transaction of the connection.

    since_us: count only tables with a time of reception, and only rows received from then on; 0:
    count all tables. Blocks: some seconds for 10 million rows. Raises the errors of SQLAlchemy.
    """
    last = read_entries(connection, limit=1)
    return BackupFacts(
        {table.name: _count(connection, table, since_us) for table in _counted(since_us)},
        since_us,
        last[0].sequence if last else 0,
        last[0].hash if last else "",
    )


def count_again(connection: Connection, facts: BackupFacts) -> dict[str, int | None]:
    """Return the numbers of rows of the same tables; None for a table that is missing.

    The tables may be those of an earlier version of the program.
    """
    present = set(inspect(connection).get_table_names())
    return {
        name: _count_named(connection, name, facts.since_us) if name in present else None
        for name in facts.counts
    }


def find_difference(
    restored: Mapping[str, int | None], least: BackupFacts, most: BackupFacts
) -> str:
    """Return the first table whose number of rows is outside, as one line; "" where none is.

    least, most: the figures before and after the moment of the backup; the same for a copy that
    was made in one transaction with its figures.
    """
    for name, low in sorted(least.counts.items()):
        found, high = restored.get(name), most.counts.get(name, low)
        if found is None:
            return f"{name}: the table is missing"
        if not min(low, high) <= found <= max(low, high):
            expected = f"{low}" if low == high else f"{low} to {high}"
            return f"{name}: has {found} rows, expected {expected}"
    return ""


def _counted(since_us: int) -> list[Table]:
    return [each for each in metadata.sorted_tables if not since_us or "received_us" in each.c]


def _count(connection: Connection, table: Table, since_us: int) -> int:
    statement = select(func.count()).select_from(table)
    if since_us:
        statement = statement.where(table.c.received_us >= since_us)
    return int(connection.execute(statement).scalar_one())


def _count_named(connection: Connection, name: str, since_us: int) -> int:
    if since_us:
        return _count(connection, metadata.tables[name], since_us)
    return int(connection.execute(select(func.count()).select_from(named_table(name))).scalar_one())
