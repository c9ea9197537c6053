"""Copies of SQLite, and the drills that restore them."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config

from bench.central_plant import HOUR_US, fill_plant
from central.access.audit import Actor, audited
from central.alarms.evaluation import evaluate
from central.alarms.records import read_alarms
from central.alarms.rules import CentralFacts
from central.backup.copies import (
    BackupService,
    copy_database,
    find_copies,
    read_record,
    record_path,
)
from central.backup.facts import BackupError
from central.backup.result import DrillResult, record_drill
from central.backup.service import DrillService
from central.backup.sqlite_drill import restore_newest_copy
from central.config.backup import BackupConfig
from central.config.sections import DatabaseConfig
from central.store import migrations, tables
from central.store.database import Database
from central.store.drills import FAILED, GOOD, RUNNING, DrillEntry, read_drills
from central.store.registry import Registry
from central.store.schema import migrate
from central.store.tables import DAY_US
from central.store.writer import BatchWriter
from tests.support.central_events import PREFIX, count, message

NOW = 1_800_000_000_000_000
ADA = Actor("ada", "password")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Database]:
    opened = Database(DatabaseConfig(path=tmp_path / "central.db"))
    migrate(opened)
    fill_plant(opened, NOW, hours=2, per_minute=5)
    for number in range(3):
        with audited(opened, ADA, NOW) as change:
            change.record("lot.begun", str(number))
    yield opened
    opened.close()


@pytest.fixture
def config(tmp_path: Path) -> BackupConfig:
    folder = tmp_path / "copies"
    folder.mkdir()
    return BackupConfig(folder=folder)


@pytest.fixture
def copy(plant: Database, config: BackupConfig, tmp_path: Path) -> Path:
    assert config.folder is not None
    path = config.folder / "central-hour-20270115T08.db"
    copy_database(tmp_path / "central.db", path, NOW)
    return path


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A copy whose record states what the file is afterwards."""
    with closing(sqlite3.connect(path)) as connection:
        yield connection
        connection.commit()
    sign(path)


def sign(path: Path) -> None:
    record = json.loads(record_path(path).read_text())
    record["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    record["bytes"] = path.stat().st_size
    record_path(path).write_text(json.dumps(record))


def test_a_copy_is_complete_or_absent(plant: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.with_name("copy.db.unfinished").write_bytes(b"of a killed process")
    record = copy_database(tmp_path / "central.db", target, NOW)
    with closing(sqlite3.connect(target)) as connection:
        found = connection.execute("SELECT count(*) FROM parts").fetchone()[0]
    assert found == count(plant, tables.parts) == record.counts["parts"] > 1000
    assert (record.audit_sequence, record.made_us) == (3, NOW)
    assert read_record(target) == record
    assert sorted(each.name for each in tmp_path.glob("copy*")) == ["copy.db", "copy.db.json"]
    with pytest.raises(BackupError, match="cannot be written"):
        copy_database(tmp_path / "none.db", tmp_path / "other.db", NOW)
    assert not (tmp_path / "other.db").exists()
    assert not (tmp_path / "none.db").exists()


def test_a_copy_and_its_record_are_of_one_moment(
    plant: Database, config: BackupConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a collector commits batch after batch."""
    monkeypatch.setattr("central.backup.copies._PAGES", 5)
    assert config.folder is not None
    stop, written = threading.Event(), [0]

    def write() -> None:
        writer = BatchWriter(plant, Registry(), prefix=PREFIX)
        while not stop.is_set():
            writer.write([message(written[0] + n + 1, received_us=NOW) for n in range(20)])
            written[0] += 20

    thread = threading.Thread(target=write)
    thread.start()
    try:
        records = [
            copy_database(
                tmp_path / "central.db", config.folder / f"central-hour-2027011{n}T08.db", NOW
            )
            for n in range(3)
        ]
    finally:
        stop.set()
        thread.join()
    assert records[0].counts["events"] < records[-1].counts["events"] <= written[0]
    for path in find_copies(config.folder):
        with closing(sqlite3.connect(path)) as connection:
            for name, expected in read_record(path).counts.items():
                found = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
                assert found == expected, (path.name, name)
    assert restore_newest_copy(config, NOW).rows == sum(records[-1].counts.values())


def test_copies_are_made_every_hour_and_day_and_old_ones_removed(
    plant: Database, tmp_path: Path
) -> None:
    now = [NOW]
    config = BackupConfig(folder=tmp_path / "new" / "copies", hourly=3, daily=2)
    own = BackupService(tmp_path / "central.db", config, lambda: now[0])
    assert len(own.step()) == 2
    assert own.step() == ()
    for _ in range(30):
        now[0] += HOUR_US
        own.step()
    assert config.folder is not None
    names = sorted(each.name for each in config.folder.glob("*.db"))
    assert [each.split("-")[1] for each in names] == ["day"] * 2 + ["hour"] * 3
    assert sorted(each.name for each in config.folder.glob("*.json")) == [
        f"{each}.json" for each in names
    ]
    parts = count(plant, tables.parts)
    assert all(read_record(config.folder / each).counts["parts"] == parts for each in names)
    few = BackupConfig(folder=config.folder, hourly=0)
    BackupService(tmp_path / "central.db", few, lambda: NOW).step()
    assert not list(config.folder.glob("central-hour*"))


def test_a_folder_that_cannot_be_made_is_named(plant: Database, tmp_path: Path) -> None:
    config = BackupConfig(folder=tmp_path / "central.db" / "below-a-file")
    with pytest.raises(BackupError, match=r"backup\.folder"):
        BackupService(tmp_path / "central.db", config, lambda: NOW).step()


def test_a_drill_restores_the_newest_copy_and_removes_it_again(
    copy: Path, config: BackupConfig, tmp_path: Path
) -> None:
    before = copy.read_bytes()
    scratch = config.model_copy(update={"drill_folder": tmp_path / "scratch"})
    result = restore_newest_copy(scratch, NOW)
    assert result.backup == copy.name
    assert result.backup_us == NOW
    assert result.rows == sum(read_record(copy).counts.values()) > 1000
    assert list((tmp_path / "scratch").iterdir()) == []
    assert copy.read_bytes() == before
    assert sorted(each.name for each in copy.parent.iterdir()) == [copy.name, f"{copy.name}.json"]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def tear(path: Path) -> None:
    """A page in the middle is of another table; the file is signed as it is."""
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    content[4096 * (pages // 2) : 4096 * (pages // 2 + 8)] = b"\x0d" * (8 * 4096)
    path.write_bytes(content)
    sign(path)


def lose_parts(path: Path) -> None:
    with opened(path) as connection:
        connection.execute("DELETE FROM parts WHERE part_id = 7")


def lose_table(path: Path) -> None:
    with opened(path) as connection:
        connection.execute("DROP TABLE lots")


def forge(path: Path) -> None:
    with opened(path) as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET who = 'eve' WHERE sequence = 2")


def lose_column(path: Path) -> None:
    """The counts fit, and the page of parts cannot be read."""
    with opened(path) as connection:
        connection.execute("ALTER TABLE parts RENAME COLUMN reason TO cause")


def orphan(path: Path) -> None:
    with opened(path) as connection:
        connection.execute("UPDATE journals SET station_id = 77")
        connection.execute(
            "INSERT INTO journals (id, station_id, uuid) SELECT 9, 77, 'x' "
            "WHERE NOT EXISTS (SELECT 1 FROM journals)"
        )


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (flip, "its SHA-256 differs"),
        (tear, "is damaged|malformed"),
        (lose_parts, r"parts: has \d+ rows, expected \d+$"),
        (lose_table, "lots: the table is missing"),
        (forge, "audit: row 2 was changed"),
        (lose_column, "no such column: parts.reason"),
        (orphan, "a row of journals refers to a missing row of stations"),
        (Path.unlink, "has no copy"),
        (lambda path: record_path(path).unlink(), r"\.json: cannot be read"),
        (lambda path: record_path(path).write_text('{"made_us": 1}'), "is no record of a copy"),
    ],
)
def test_a_damaged_copy_fails_the_drill_with_one_line(
    copy: Path, config: BackupConfig, damage: Callable[[Path], object], expected: str
) -> None:
    damage(copy)
    with pytest.raises(BackupError, match=expected) as error:
        restore_newest_copy(config, NOW)
    assert "\n" not in str(error.value)
    assert not list(copy.parent.glob("outfeed-drill-*"))


def test_an_old_copy_fails_the_drill(copy: Path, config: BackupConfig) -> None:
    restore_newest_copy(config, NOW + 2 * HOUR_US)
    with pytest.raises(BackupError, match="3 hours old, expected at most 2"):
        restore_newest_copy(config, NOW + 3 * HOUR_US)
    daily = config.model_copy(update={"hourly": 0})
    restore_newest_copy(daily, NOW + 47 * HOUR_US)
    with pytest.raises(BackupError, match="49 hours old, expected at most 48"):
        restore_newest_copy(daily, NOW + 49 * HOUR_US)


def test_a_full_disk_fails_the_drill(
    copy: Path, config: BackupConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(copy.parent)._replace(free=1 << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with pytest.raises(BackupError, match="has 1 MiB free, expected"):
        restore_newest_copy(config, NOW)


def columns_at(version: str, path: Path) -> dict[str, set[str]]:
    """The columns of each table of a new database of an earlier version."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    database = Database(DatabaseConfig(path=path))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        inspector = sqlalchemy.inspect(connection)
        found = {
            table: {column["name"] for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }
    database.close()
    return found


@pytest.mark.parametrize("version", ["0310", "0330"])
def test_a_copy_of_an_earlier_version_is_brought_up_to_date(
    copy: Path, config: BackupConfig, tmp_path: Path, version: str
) -> None:
    record = json.loads(record_path(copy).read_text())
    columns = columns_at(version, tmp_path / "earlier.db")
    later = set(record["counts"]) - set(columns)
    assert later
    with opened(copy) as connection:
        for table in later:
            connection.execute(f"DROP TABLE {table}")
        for table, earlier in columns.items():
            for (name,) in connection.execute(
                "SELECT name FROM pragma_table_info(?)", (table,)
            ).fetchall():
                if name not in earlier:
                    connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    record = json.loads(record_path(copy).read_text())
    record["counts"] = {name: n for name, n in record["counts"].items() if name not in later}
    record_path(copy).write_text(json.dumps(record))
    assert restore_newest_copy(config, NOW).rows == sum(record["counts"].values())


def test_the_service_runs_drills_at_its_interval(
    plant: Database, config: BackupConfig, tmp_path: Path
) -> None:
    now = [NOW]
    config = config.model_copy(update={"drill_hours": 6.0})
    backups = BackupService(tmp_path / "central.db", config, lambda: now[0])
    service = DrillService(plant, config, lambda: now[0])
    assert service.step() is None  # there is no copy yet
    history = []
    for hour in range(14):
        backups.step()
        assert config.folder is not None
        if hour == 6:
            for each in config.folder.glob("*.json"):
                each.write_text("damaged")
        entry = service.step()
        history.append("" if entry is None else entry.state)
        assert service.step() is None
        now[0] += HOUR_US
    # A failure is repeated after one hour, with the next copy.
    assert history == [GOOD, *[""] * 5, FAILED, GOOD, *[""] * 5, GOOD]
    with plant.read() as connection:
        summary = read_drills(connection)
    assert [each.state for each in summary.latest] == [GOOD, GOOD, FAILED, GOOD]
    assert summary.last_good_us == NOW + 13 * HOUR_US
    assert "is no record of a copy" in summary.latest[2].reason


def test_a_killed_drill_remains_running(database: Database) -> None:
    def killed() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_drill(database, killed, lambda: NOW)
    with database.read() as connection:
        summary = read_drills(connection)
    expected = DrillEntry(1, NOW, None, RUNNING, "", None, 0, "")
    assert (summary.latest, summary.last_ended, summary.last_good_us) == ((expected,), None, None)


def test_drills_lead_to_alarms_where_they_are_expected(plant: Database) -> None:
    def firing(expects: bool, at_us: int) -> list[str]:
        for second in (0, 60, 300):
            evaluate(plant, CentralFacts(expects_drills=expects), (), at_us + second * 1_000_000)
        with plant.read() as connection:
            found = read_alarms(connection, None)
        return [each.alarm.message for each in found if each.alarm.rule == "restore-drill"]

    def drill() -> DrillResult:
        return DrillResult("a", NOW, 5)

    def bad() -> DrillResult:
        raise BackupError("a: is damaged")

    assert firing(False, NOW + 9 * DAY_US) == []
    assert firing(True, NOW) == []
    overdue = ["no restore drill has succeeded for 3 days"]
    assert firing(True, NOW + 3 * DAY_US) == overdue
    at_us = NOW + 3 * DAY_US + HOUR_US
    record_drill(plant, drill, lambda: at_us)
    assert firing(True, at_us) == []
    record_drill(plant, bad, lambda: at_us + HOUR_US)
    assert firing(True, at_us + HOUR_US) == ["the restore drill failed: a: is damaged"]
    record_drill(plant, drill, lambda: at_us + 2 * HOUR_US)
    assert firing(True, at_us + 2 * HOUR_US) == []
