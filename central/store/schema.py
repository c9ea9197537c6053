"""The version of the tables: its migration to the present one, and its check."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from central.store.database import Database, StoreError
from edge.validation_messages import one_line

_FOLDER = Path(__file__).parent / "migrations"
# The key of PostgreSQL's advisory lock for changes of tables; any fixed number serves.
SCHEMA_LOCK = 0x6F757466656564


def migrate(database: Database) -> None:
    """Bring the tables to the version of this program, in one transaction.

    A process that is killed meanwhile leaves the tables as they were. Several processes may call
    this at the same time. Blocks. Raises StoreError for a database of a later version, or one that
    cannot be written.
    """
    try:
        with database.write() as connection:
            if database.is_postgresql:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"{database.name}: was written by a later version of Outfeed: {one_line(error)}"
        ) from error
    except DBAPIError as error:
        raise StoreError(f"{database.name}: {one_line(error.orig)}") from error


def check_schema(database: Database) -> None:
    """Check that the tables are those of this program. Raises StoreError."""
    with database.read() as connection:
        found = _version(connection)
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    if found != wanted:
        raise StoreError(
            f"{database.name}: has tables of version {found or 'none'}, expected {wanted}: run "
            "`outfeed-central migrate`"
        )


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
