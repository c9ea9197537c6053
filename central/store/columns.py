"""The columns that the tables of the database share, for SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Text, text

# SQLite numbers rows by itself in a column of type INTEGER only.
ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def identity() -> Column[int]:
    """Return the primary key ``id``, which the database numbers."""
    return Column("id", ROW_NUMBER, primary_key=True)


def number(name: str, *, default: int | None = None) -> Column[int]:
    """Return a column of integers, never null."""
    standard = None if default is None else text(str(default))
    return Column(name, BigInteger, nullable=False, server_default=standard)


def words(name: str) -> Column[str]:
    """Return a column of text, never null; by default empty."""
    return Column(name, Text, nullable=False, server_default=text("''"))


def optional_time(name: str) -> Column[int]:
    """Return a column of microseconds since 1970 UTC, or null."""
    return Column(name, BigInteger, nullable=True)
