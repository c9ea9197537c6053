"""The connection to the database, and its transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from central.config.sections import DatabaseConfig
from edge.errors import ConfigError, OutfeedError
from edge.validation_messages import one_line

_CONNECT_S = 5
_BUSY_S = 10.0
_WRITE = "outfeed_write"


class StoreError(OutfeedError):
    """The database cannot be opened, read or written. The cause may pass."""


class Database:
    """A pool of connections to one database.

    Synchronization: any thread may open transactions. Each of them has its own connection. Any
    thread may call ``close``; the connection of a transaction under way is closed when it ends.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        """Open nothing yet."""
        self.is_postgresql = config.kind == "postgresql"
        self.engine = _postgresql(config) if self.is_postgresql else _sqlite(config.path)
        self.name = (
            f"{config.name} on " + ", ".join(f"{host}:{port}" for host, port in config.servers)
            if self.is_postgresql
            else str(config.path)
        )
        self._is_closed = False
        event.listen(self.engine, "checkin", self._on_return)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes. It is committed at the end, and rolled back on an error.

        SQLite allows one at a time; another one waits up to 10 s. Blocks. Raises the errors of
        SQLAlchemy, which ``is_temporary`` sorts, and StoreError after ``close``.
        """
        self._check_open()
        with self.engine.connect() as connection:
            connection.execution_options(**{_WRITE: True})
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that reads one state of the database. Raises StoreError."""
        self._check_open()
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            raise StoreError(f"{self.name}: {one_line(error.orig)}") from error

    def close(self) -> None:
        """Close all connections, those in use at the end of their transaction. Does not wait.

        No further transaction begins. May be called twice.
        """
        self._is_closed = True
        self.engine.dispose()

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreError(f"{self.name}: is closed")

    def _on_return(self, connection: object, record: ConnectionPoolEntry) -> None:
        """Close a connection that a transaction returns to the pool after ``close``.

        The pool that ``dispose`` emptied would keep it open until the garbage collector finds it.
        """
        if self._is_closed:
            record.invalidate()


def is_temporary(error: DBAPIError) -> bool:
    """Return whether the same transaction may succeed later.

    True for a server that is stopped, a full disk, a lock, a deadlock and a missing table. False
    where a value cannot be stored.
    """
    if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
        return True
    # 22: a value is out of range or has a wrong form. 23: a constraint.
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(state, str):
        return state[:2] not in ("22", "23") or state == "23514"
    return not isinstance(error.orig, sqlite3.IntegrityError | sqlite3.DataError)


def _sqlite(path: Path) -> Engine:
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"database.path: {path.parent}: is no folder")
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": _BUSY_S},
        pool_size=8,
        max_overflow=8,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin in _begin
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # An event is acknowledged after its commit, so the commit must survive a power loss.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        is_write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

    return engine


def _postgresql(config: DatabaseConfig) -> Engine:
    query = {
        "connect_timeout": str(_CONNECT_S),
        "application_name": "outfeed-central",
        "sslmode": {"off": "disable"}.get(config.tls, config.tls),
        # A server that is gone without a word is noticed within 25 s.
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
    }
    if config.hosts:
        # A standby and a server that is being demoted refuse to be chosen.
        query["target_session_attrs"] = "read-write"
    if config.tls_ca is not None:
        query["sslrootcert"] = str(config.tls_ca)
    engine = create_engine(
        URL.create(
            "postgresql+psycopg",
            username=config.username,
            database=config.name,
            query=query,
        ),
        connect_args={
            "host": ",".join(host for host, _ in config.servers),
            "port": ",".join(str(port) for _, port in config.servers),
        },
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=8,
    )

    @event.listens_for(engine, "do_connect")
    def _log_in(
        dialect: object, record: object, arguments: object, parameters: dict[str, Any]
    ) -> None:
        if config.password_file is not None:
            parameters["password"] = _password(config.password_file)

    @event.listens_for(engine, "handle_error")
    def _leave_standby(context: ExceptionContext) -> None:
        # read_only_sql_transaction: the server was demoted while this connection was open.
        if getattr(context.original_exception, "sqlstate", None) == "25006":
            context.is_disconnect = True

    return engine


def _password(path: Path) -> str:
    """Return the password in the file, which is read at each connection. Raises StoreError."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"database.password_file: {path}: cannot be read") from error
