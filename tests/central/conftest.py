"""The databases on which the same tests run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.postgresql import PostgresqlServer, missing_postgresql
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.registry import Registry
from central.store.schema import migrate
from central.store.writer import BatchWriter
from tests.support.central_events import PREFIX


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server for all tests that do not stop it."""
    if reason := missing_postgresql():
        pytest.skip(reason)
    server = PostgresqlServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_config(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseConfig:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return DatabaseConfig(path=tmp_path / "central.db")
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.database()


@pytest.fixture
def database(database_config: DatabaseConfig) -> Iterator[Database]:
    """A database of each kind, with its tables."""
    opened = Database(database_config)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def writer(database: Database) -> BatchWriter:
    return BatchWriter(database, Registry(), prefix=PREFIX)


@pytest.fixture
def make_writer(database: Database) -> Callable[[], BatchWriter]:
    """Makes further writers to the same database, as other processes have them."""
    return lambda: BatchWriter(database, Registry(), prefix=PREFIX)
