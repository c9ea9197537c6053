"""``outfeed-central drill`` and ``restore``: the restoration of backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from central.commands.common import ConfigOption, check_installed, now_us
from edge.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from central.backup.result import DrillResult
    from central.config.central import CentralConfig
    from central.store.database import Database


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("drill")(_drill)
    app.command("restore")(_restore)


def _drill(config: ConfigOption = None) -> None:
    """Restore the newest backup to a scratch database, check it, and record the result.

    SQLite: the newest copy in `backup.folder`. PostgreSQL: the stanza `backup.pgbackrest_stanza`,
    on a machine with pgBackRest; root runs it as the user postgres. Exit status 1 if it fails.
    """
    check_installed()
    from central.backup.facts import BackupError
    from central.backup.result import record_drill
    from central.config.central import CentralConfig, load_central
    from central.store.database import Database
    from central.store.drills import GOOD
    from central.store.schema import check_schema

    settings = CentralConfig() if config is None else load_central(config)
    if settings.backup.folder is None and settings.backup.pgbackrest_stanza is None:
        raise ConfigError("backup.folder or backup.pgbackrest_stanza: expected for a drill")
    database = Database(settings.database)
    try:
        check_schema(database)
        entry = record_drill(database, lambda: _run(database, settings), now_us)
    finally:
        database.close()
    if entry.state != GOOD:
        raise BackupError(f"the restore drill failed: {entry.reason}")
    seconds = ((entry.ended_us or entry.began_us) - entry.began_us) / 1e6
    print(f"restored {entry.backup}: {entry.rows} rows are right, {seconds:.0f} s")


def _run(database: Database, settings: CentralConfig) -> DrillResult:
    if settings.backup.folder is not None:
        from central.backup.sqlite_drill import restore_newest_copy

        return restore_newest_copy(settings.backup, now_us())
    from central.backup.pgbackrest_drill import restore_pgbackrest

    return restore_pgbackrest(database, settings.database, settings.backup, now_us)


def _restore(
    copy: Annotated[Path, typer.Argument(help="The copy, central-hour-….db or central-day-….db.")],
    config: ConfigOption = None,
) -> None:
    """Put a copy of SQLite in the place of the database. Stop the service first.

    The former database is kept as `central.db.replaced`. PostgreSQL is restored by pgBackRest.
    """
    check_installed()
    from central.backup.copies import restore_copy
    from central.config.central import CentralConfig, load_central

    settings = CentralConfig() if config is None else load_central(config)
    if settings.database.kind != "sqlite":
        raise UsageError("restore is for SQLite; PostgreSQL is restored by pgBackRest")
    moved = restore_copy(copy, settings.database.path, now_us())
    for each in moved:
        print(f"kept {each}")
    print(f"restored {settings.database.path} from {copy.name}")
