"""The tables that the migrations make, partitions, and the removal of old rows."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from bench.postgresql import PostgresqlServer
from central.config.sections import DatabaseConfig, RetentionConfig
from central.store import tables
from central.store.command_tables import commands
from central.store.database import Database, StoreError, is_temporary
from central.store.retention import Maintenance
from central.store.schema import check_schema, migrate
from central.store.tables import DAY_US, MINUTE_US, metadata
from central.store.writer import BatchWriter
from edge.errors import ConfigError
from tests.support.central_events import count, message, now_us, rows, stored


def test_the_migrations_make_the_tables_of_this_program(database: Database) -> None:
    with database.read() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_a_migration_is_done_once_by_many_processes(database_config: DatabaseConfig) -> None:
    databases = [Database(database_config) for _ in range(4)]
    problems: list[Exception] = []

    def attempt(database: Database) -> None:
        try:
            migrate(database)
        except Exception as error:  # noqa: BLE001 - shown by the test
            problems.append(error)

    threads = [threading.Thread(target=attempt, args=(each,)) for each in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    check_schema(databases[0])
    for one in databases:
        one.close()


def test_a_database_of_another_version_is_one_line(database_config: DatabaseConfig) -> None:
    database = Database(database_config)
    with pytest.raises(StoreError, match=r"has tables of version none.*outfeed-central migrate"):
        check_schema(database)
    migrate(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="was written by a later version of Outfeed"):
        migrate(database)
    database.close()


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"database\.path: .*nowhere: is no folder"):
        Database(DatabaseConfig(path=tmp_path / "nowhere" / "central.db"))


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "central.db").write_text("no database, but a text of some length" * 40)
    database = Database(DatabaseConfig(path=tmp_path / "central.db"))
    with pytest.raises(StoreError, match=r"central\.db: file is not a database"):
        migrate(database)
    database.close()


def test_a_server_that_is_not_there_is_one_line() -> None:
    database = Database(DatabaseConfig(kind="postgresql", port=1, name="central"))
    with pytest.raises(StoreError, match=r"central on 127\.0\.0\.1:1: connection failed"):
        migrate(database)
    database.close()


def test_the_password_is_read_from_its_file(tmp_path: Path) -> None:
    missing = DatabaseConfig(kind="postgresql", port=1, password_file=tmp_path / "missing")
    database = Database(missing)
    with pytest.raises(StoreError, match=r"database\.password_file: .*missing: cannot be read"):
        migrate(database)
    database.close()


def _retention(**days: int) -> RetentionConfig:
    return RetentionConfig(**{"events_days": 2, "parts_days": 5, **days})


def _steps(database: Database, retention: RetentionConfig, at_us: int) -> int:
    maintenance = Maintenance(database, retention)
    steps = 1
    while maintenance.step(at_us):
        steps += 1
    assert not maintenance.step(at_us + 1_000_000)  # not again before ten minutes
    return steps


def test_old_rows_are_removed_table_by_table(database: Database, writer: BatchWriter) -> None:
    at_us = now_us()
    for days in (8, 4, 1, 0):
        sequence = 10 - days
        received_us = at_us - days * DAY_US
        writer.write([message(sequence, received_us=received_us, utc="not a time")])
        gap = message(sequence + 10, "outfeed.gap/1", received_us=received_us, utc="not a time")
        writer.write([gap])
    _steps(database, _retention(figures_days=3, reports_days=1), at_us)
    assert [number for _, number in stored(database)] == [9, 10, 19, 20]
    assert sorted(rows(database, tables.parts, "part_id")) == [(6,), (9,), (10,)]
    minutes = sorted(row[0] for row in rows(database, tables.rollups, "minute"))
    assert minutes == [(at_us - DAY_US) // MINUTE_US, at_us // MINUTE_US]
    assert count(database, tables.gaps) <= 2
    # A repeat of a removed event is still known.
    assert writer.write([message(2)]).counts["unproven"] == 1


def test_commands_are_kept_for_some_time_after_their_expiry(database: Database) -> None:
    at_us = now_us()
    with database.write() as connection:
        for days in (4, 2, -1):
            row = {"station_id": 1, "kind": "mark", "action": "{}", "journal": "", "run": ""}
            rest = {"state": "done", "asked_by": "ada", "asked_us": 0}
            expires_us = at_us - days * DAY_US
            connection.execute(commands.insert().values(**row, **rest, expires_us=expires_us))
    _steps(database, _retention(reports_days=3), at_us)
    assert sorted(rows(database, commands, "id")) == [(2,), (3,)]
    _steps(database, _retention(reports_days=0), at_us + 3000 * DAY_US)
    assert count(database, commands) == 2


def test_zero_days_keep_rows_for_ever(database: Database, writer: BatchWriter) -> None:
    at_us = now_us()
    writer.write([message(1, received_us=at_us - 3000 * DAY_US, utc="not a time")])
    _steps(database, _retention(events_days=0, parts_days=0, figures_days=0), at_us)
    assert count(database, tables.events) == count(database, tables.parts) == 1
    assert count(database, tables.rollups) == 1


def test_many_old_rows_are_removed_in_small_steps(
    database: Database, writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.store.retention.CHUNK", 10)
    at_us = now_us()
    old = [message(n, received_us=at_us - 9 * DAY_US) for n in range(1, 36)]
    writer.write([*old, message(36, received_us=at_us)])
    steps = _steps(database, _retention(), at_us)
    assert [number for _, number in stored(database)] == [36]
    assert steps >= (11 if database.is_postgresql else 11 + 3)


def test_partitions_are_made_ahead_and_dropped_whole(
    database: Database, writer: BatchWriter
) -> None:
    if not database.is_postgresql:
        pytest.skip("SQLite has no partitions")
    at_us = 40_000 * DAY_US
    writer.write([message(1, received_us=at_us - 10 * DAY_US)])
    _steps(database, _retention(), at_us)
    with database.read() as connection:
        names = inspect(connection).get_table_names()
    dates = sorted(name.removeprefix("events_p") for name in names if name.startswith("events_p"))
    assert dates == ["20790708", "20790709", "20790710", "20790711"]


def test_a_connection_goes_to_the_server_that_accepts_writes(
    postgresql: PostgresqlServer,
) -> None:
    """The first server is missing, and a server that is read-only is refused and left."""
    one = postgresql.database()
    hosts = ("127.0.0.1:1", f"127.0.0.1:{one.port}")
    config = DatabaseConfig(kind="postgresql", hosts=hosts, name=one.name, username=one.username)
    database = Database(config)
    migrate(database)
    statement = text("INSERT INTO counters (name, value) VALUES ('x', 1)")
    with database.write() as connection:
        connection.execute(text("SET SESSION default_transaction_read_only = on"))
    with pytest.raises(DBAPIError) as caught, database.write() as connection:
        connection.execute(statement)
    assert is_temporary(caught.value)
    # The connection was not returned to the pool: the next one is another.
    with database.write() as connection:
        connection.execute(statement)
    postgresql.run(*_ask(one, "ALTER DATABASE postgres SET default_transaction_read_only = on"))
    database.close()
    database = Database(config)
    try:
        with pytest.raises(StoreError, match="read-only"), database.read():
            pass
    finally:
        back = "SET default_transaction_read_only = off; ALTER DATABASE postgres RESET ALL"
        postgresql.run(*_ask(one, *back.split("; ")))
    database.close()


def _ask(config: DatabaseConfig, *statements: str) -> list[str]:
    words = ["psql", "-q", "-h", config.host, "-p", str(config.port), "-U", config.username]
    return [*words, "-d", config.name, *(w for each in statements for w in ("-c", each))]
