"""The restoration of pgBackRest's backup to a scratch server."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from central.backup.checks import check_restored
from central.backup.facts import BackupError, BackupFacts, read_facts
from central.backup.result import DrillResult
from central.backup.scratch import find_program, run_program, server_user, start_scratch
from central.config.backup import BackupConfig
from central.config.sections import DatabaseConfig
from central.store.database import Database, StoreError
from central.store.tables import DAY_US
from edge.validation_messages import one_line

_ARCHIVE_S = 300.0
"""Time for the archive to receive what was committed: archive_timeout is 60 s in the playbook."""

_WINDOW_US = DAY_US // 2
"""Rows of the last 12 hours are compared. Retention removes none of them meanwhile."""


def restore_pgbackrest(
    database: Database,
    settings: DatabaseConfig,
    config: BackupConfig,
    now_us: Callable[[], int],
    archive_s: float = _ARCHIVE_S,
) -> DrillResult:
    """Restore the newest state in the repository, check it, and remove the scratch server.

    What the database has now must be in the archive within ``archive_s`` seconds. Then base backup
    and write-ahead log are restored up to their end. The restored rows must be at least those of
    the beginning, and at most those of the end. Indexes and tables are checked by pg_amcheck.
    Blocks: as long as restoring and reading the database takes. Raises BackupError.

    Args:
        database: The live database. No table is changed; a message is written to its log.
        settings: Its section [database].
        config: With a stanza.
        now_us: The clock, in microseconds since 1970 UTC.
        archive_s: The longest wait for the archive.
    """
    since_us = now_us() - _WINDOW_US
    try:
        with database.read() as connection:
            least = read_facts(connection, since_us=since_us)
            version, wanted = _position(connection)
        # An idle server does not hand over its log. A record of ours makes it do so.
        with database.write() as connection:
            connection.execute(text("SELECT pg_logical_emit_message(true, 'outfeed', 'drill')"))
        _wait_archived(database, wanted, archive_s)
        at_us = now_us()
        parent = config.drill_folder or Path(tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix="outfeed-drill-", dir=parent, ignore_cleanup_errors=True
        ) as name:
            folder = Path(name)
            _give(folder)
            label = _restore(config, folder)
            rows = _check(database, settings, folder, version, least, at_us)
    except DBAPIError as error:
        raise BackupError(one_line(error.orig)) from error
    except (StoreError, OSError) as error:
        raise BackupError(one_line(error)) from error
    return DrillResult(label, at_us, rows)


def _check(
    database: Database,
    settings: DatabaseConfig,
    folder: Path,
    version: str,
    least: BackupFacts,
    at_us: int,
) -> int:
    user = settings.username
    with start_scratch(folder / "data", user, version) as socket:
        own = settings.model_copy(
            update={"host": str(socket), "port": 5432, "hosts": (), "tls": "off", "tls_ca": None}
        )
        restored = Database(own)
        try:
            owner = _owner_name(restored)
            _check_structure(socket, owner, settings.name, version)
            with database.read() as connection:
                most = read_facts(connection, since_us=least.since_us)
            return check_restored(restored, least, most, at_us)
        finally:
            restored.close()


def _check_structure(socket: Path, owner: str, name: str, version: str) -> None:
    """Read every table and B-tree index with pg_amcheck. Raises BackupError."""
    command = [
        *(find_program("pg_amcheck", version), "--install-missing", "-h", str(socket)),
        *("-U", owner, "-d", name),
    ]
    run_program(command, socket)


def _restore(config: BackupConfig, folder: Path) -> str:
    """Restore into ``folder/data``, and return the label of the base backup."""
    assert config.pgbackrest_stanza is not None
    own = [f"--stanza={config.pgbackrest_stanza}"]
    if config.pgbackrest_config is not None:
        own.append(f"--config={config.pgbackrest_config}")
    program = find_program("pgbackrest")
    label = _newest(run_program([program, *own, "info", "--output=json"], folder), own[0])
    (folder / "data").mkdir(mode=0o700)
    _give(folder / "data")
    run_program(
        [
            *(program, *own, f"--set={label}", f"--pg1-path={folder / 'data'}"),
            *(f"--tablespace-map-all={folder / 'tablespaces'}", "--type=default"),
            *("--log-level-file=off", "--log-level-console=error", f"--lock-path={folder}"),
            # One process, so that the machine is not kept from its other work.
            *("--process-max=1", "restore"),
        ],
        folder,
    )
    return label


def _newest(output: str, stanza: str) -> str:
    try:
        labels = [each["label"] for each in json.loads(output)[0]["backup"] if not each["error"]]
    except (ValueError, LookupError, TypeError) as error:
        raise BackupError(f"pgbackrest {stanza}: has no such stanza") from error
    if not labels:
        raise BackupError(f"pgbackrest {stanza}: has no backup")
    return str(labels[-1])


def _position(connection: Connection) -> tuple[str, str]:
    """Return the version of the server, and the file of its write-ahead log in use."""
    row = connection.execute(
        text(
            "SELECT current_setting('server_version_num')::int / 10000, "
            "pg_walfile_name(pg_current_wal_insert_lsn())"
        )
    ).one()
    return str(row[0]), str(row[1])


def _wait_archived(database: Database, wanted: str, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while True:
        with database.read() as connection:
            row = connection.execute(
                text("SELECT last_archived_wal, last_failed_wal FROM pg_stat_archiver")
            ).one()
        # Names of the log begin with the time line: a later one is greater.
        if row[0] is not None and str(row[0])[:24] >= wanted:
            return
        if time.monotonic() > deadline_s:
            last = str(row[0] or "none")[:24]
            raise BackupError(
                f"the archive has write-ahead log up to {last}, expected {wanted} within "
                f"{within_s:.0f} s"
            )
        time.sleep(min(1.0, within_s / 10))


def _give(folder: Path) -> None:
    """Give a folder to the user of the server, where root made it."""
    user = server_user()
    if user:
        os.chown(folder, user["user"], user["group"])


def _owner_name(database: Database) -> str:
    """Return a user of the scratch server who may add an extension."""
    statement = "SELECT rolname FROM pg_roles WHERE rolsuper AND rolcanlogin ORDER BY oid LIMIT 1"
    with database.read() as connection:
        return str(connection.execute(text(statement)).scalar_one())
