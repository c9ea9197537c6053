"""Backups of PostgreSQL by pgBackRest: the restoration of a moment, and the drill."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from sqlalchemy import text

from central.backup.facts import BackupError
from central.backup.pgbackrest_drill import restore_pgbackrest
from central.backup.result import record_drill
from central.config.backup import BackupConfig
from central.config.sections import DatabaseConfig
from central.store.database import Database
from central.store.drills import FAILED, GOOD, DrillEntry
from central.store.registry import Registry
from central.store.schema import migrate
from central.store.writer import BatchWriter
from tests.support.central_events import PREFIX, message, now_us, stored
from tests.support.pgbackrest import STANZA, BackedUpServer, backed_up_server, missing_pgbackrest

Plant = tuple[BackedUpServer, Database, DatabaseConfig]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "central-backup.md"
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(missing_pgbackrest()), reason=missing_pgbackrest() or "installed"),
]


def commands(word: str) -> list[str]:
    """The commands of the page for pgBackRest that contain the word, in order."""
    lines = [line.strip() for line in PAGE.read_text().splitlines()]
    return [
        each for each in lines if each.startswith("sudo -u postgres pgbackrest") and word in each
    ]


@pytest.fixture
def plant() -> Iterator[Plant]:
    """A server with a full backup of a database with 20 events."""
    with backed_up_server() as own:
        settings = own.server.database()
        database = Database(settings)
        migrate(database)
        write(database, 1, 20)
        for word in ("stanza-create", "check", "--type=full backup"):
            (command,) = commands(word)
            own.as_written(command)
        yield own, database, settings
        database.close()


def write(database: Database, first: int, last: int) -> None:
    writer = BatchWriter(database, Registry(), prefix=PREFIX)
    writer.write([message(number) for number in range(first, last + 1)])


def numbers(database: Database) -> list[int]:
    return [number for _, number in stored(database)]


def drill(plant: Plant, **changes: object) -> DrillEntry:
    own, database, settings = plant
    config = BackupConfig(pgbackrest_stanza=STANZA, pgbackrest_config=own.config).model_copy(
        update=changes
    )
    return record_drill(
        database, lambda: restore_pgbackrest(database, settings, config, now_us, 20), now_us
    )


def test_a_moment_between_two_events_is_restored(
    plant: Plant,
) -> None:
    own, database, settings = plant
    write(database, 21, 21)
    time.sleep(1.1)
    moment = datetime.now(timezone.utc).replace(microsecond=0)
    time.sleep(1.1)
    write(database, 22, 22)
    with database.write() as connection:
        connection.execute(text("SELECT pg_switch_wal()"))
    time.sleep(1.1)
    database.close()
    own.server.stop()
    (command,) = commands("--type=time")
    written, count = re.subn(
        r'--target="[^"]*"', f'--target="{moment:%Y-%m-%d %H:%M:%S}+00"', command
    )
    assert count == 1
    own.as_written(written)
    own.server.start()
    restored = Database(settings)
    deadline_s = time.monotonic() + 30
    while True:  # the server answers before it is promoted
        with restored.read() as connection:
            if not connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
                break
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert numbers(restored) == list(range(1, 22))
    # The plant goes on from there: the station sends again what is missing.
    write(restored, 22, 25)
    assert numbers(restored) == list(range(1, 26))
    restored.close()


def test_a_drill_restores_what_was_committed_a_moment_ago(plant: Plant) -> None:
    own, database, _ = plant
    write(database, 21, 60)  # after the base backup: they are in the log only
    entry = drill(plant)
    assert (entry.state, entry.reason) == (GOOD, "")
    assert entry.rows >= 2 * 60
    assert re.fullmatch(r"\d{8}-\d{6}F", entry.backup)
    # The live server is untouched, and its archive goes on.
    write(database, 61, 70)
    own.pgbackrest("check")
    assert numbers(database) == list(range(1, 71))


def test_a_drill_that_fails_names_the_reason(plant: Plant) -> None:
    own, _, _ = plant
    entry = drill(plant, pgbackrest_stanza="other")
    assert entry.state == FAILED
    assert re.search("has no such stanza|has no backup", entry.reason)
    # A file of the base backup is damaged.
    (backup,) = (own.folder / "repository/backup/outfeed").glob("*F")
    files = [each for each in backup.rglob("*") if each.is_file() and "manifest" not in each.name]
    largest = max(files, key=lambda each: each.stat().st_size)
    content = bytearray(largest.read_bytes())
    for place in range(len(content) // 3, len(content) // 3 + 4000):
        content[place] ^= 0xFF
    largest.write_bytes(content)
    entry = drill(plant)
    assert entry.state == FAILED
    assert entry.reason.startswith("pgbackrest: ")
    assert "\n" not in entry.reason


def test_an_archive_that_stands_still_fails_the_drill(plant: Plant) -> None:
    own, database, settings = plant
    (own.folder / "repository/archive").rename(own.folder / "moved")
    (own.folder / "repository/archive").write_text("no folder")
    write(database, 21, 30)
    config = BackupConfig(pgbackrest_stanza=STANZA, pgbackrest_config=own.config)
    with pytest.raises(BackupError, match=r"the archive has write-ahead log up to \w+, expected"):
        restore_pgbackrest(database, settings, config, now_us, 3)
