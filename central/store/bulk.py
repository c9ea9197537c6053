"""The insertion of many rows: COPY on PostgreSQL, one prepared statement on SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Table
from sqlalchemy.dialects import postgresql, sqlite

from central.store.rows import Row

_Key = TypeVar("_Key", bound=tuple[object, ...])


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows with a value for each column of the table, in their order.

    A primary key that the database numbers is left out. Raises the errors of SQLAlchemy.
    """
    if not rows:
        return
    names = [each.name for each in table.columns if not (each.primary_key and each.name == "id")]
    listed = ", ".join(f'"{name}"' for name in names)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {table.name} ({listed}) VALUES ({marks})"
        connection.exec_driver_sql(statement, list(rows))
        return
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(f"COPY {table.name} ({listed}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except Exception as error:
        # The same classes as of any other statement, so that callers have one kind of error.
        _raise_wrapped(connection, error)
        raise
    finally:
        cursor.close()


def add_sums(
    connection: Connection,
    table: Table,
    keys: Sequence[str],
    sums: Mapping[_Key, Mapping[str, int]],
) -> None:
    """Add numbers to rows, which are made where they are missing.

    keys: the columns of the primary key. sums: for each key the numbers to add, by column. Rows are
    written in the order of their keys, so that two processes never wait for each other.
    """
    if not sums:
        return
    counted = [each.name for each in table.columns if each.name not in keys]
    rows = [
        {**dict(zip(keys, key, strict=True)), **{name: add.get(name, 0) for name in counted}}
        for key, add in sorted(sums.items(), key=lambda each: str(each[0]))
    ]
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    statement = statement.on_conflict_do_update(
        index_elements=list(keys),
        set_={name: table.c[name] + statement.excluded[name] for name in counted},
    )
    connection.execute(statement, rows)


def inserted_number(result: CursorResult[Any]) -> int:
    """Return the number that the database gave to the row of an INSERT."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def _raise_wrapped(connection: Connection, error: Exception) -> None:
    """Raise the error as SQLAlchemy does, if it is one of the driver."""
    from sqlalchemy.exc import DBAPIError

    driver = connection.dialect.loaded_dbapi
    if isinstance(error, driver.Error):
        is_lost = connection.dialect.is_disconnect(error, connection.connection, None)
        raise DBAPIError.instance(
            "COPY",
            None,
            error,
            driver.Error,
            connection_invalidated=is_lost,
            dialect=connection.dialect,
        ) from error
