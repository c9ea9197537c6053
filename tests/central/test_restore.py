"""The commands ``restore`` and ``drill`` on copies of SQLite."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.central_plant import fill_plant
from central.__main__ import main
from central.backup.copies import copy_database, read_record, restore_copy
from central.backup.facts import BackupError
from central.config.sections import DatabaseConfig
from central.store import tables
from central.store.database import Database
from central.store.drills import FAILED, GOOD, read_drills
from central.store.registry import Registry
from central.store.schema import migrate
from central.store.writer import BatchWriter
from tests.support.central_events import PREFIX, count, message, now_us

NOW = 1_800_000_000_000_000


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Database]:
    opened = Database(DatabaseConfig(path=tmp_path / "central.db"))
    migrate(opened)
    fill_plant(opened, NOW, hours=1, per_minute=5)
    yield opened
    opened.close()


@pytest.fixture
def copy(plant: Database, tmp_path: Path) -> Path:
    path = tmp_path / "copies" / "central-hour-20270115T08.db"
    path.parent.mkdir()
    copy_database(tmp_path / "central.db", path, NOW)
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def test_a_copy_is_restored_in_the_place_of_the_database(
    plant: Database, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, config = tmp_path / "central.db", tmp_path / "central.toml"
    config.write_text('[database]\npath = "central.db"\n')
    before = count(plant, tables.parts)
    BatchWriter(plant, Registry(), prefix=PREFIX).write([message(1, received_us=NOW)])
    arguments = ["restore", str(copy), "--config", str(config)]
    assert main(arguments) == 1  # the connections of the pool are open
    assert "is in use: stop the service" in capsys.readouterr().err
    plant.close()
    assert main(arguments) == 0
    restored = Database(DatabaseConfig(path=target))
    assert count(restored, tables.parts) == before
    restored.close()
    former = Database(DatabaseConfig(path=tmp_path / "central.db.replaced"))
    assert count(former, tables.parts) == before + 1
    former.close()
    assert main(arguments) == 1
    assert "central.db.replaced: exists; move it away first" in capsys.readouterr().err


def test_a_log_of_the_former_database_is_not_applied_to_the_restored_one(
    plant: Database, copy: Path, tmp_path: Path
) -> None:
    """The process was killed: its log is still there."""
    BatchWriter(plant, Registry(), prefix=PREFIX).write([message(1, received_us=NOW)])
    target = tmp_path / "killed" / "central.db"
    target.parent.mkdir()
    for ending in ("", "-wal", "-shm"):
        shutil.copy(tmp_path / f"central.db{ending}", f"{target}{ending}")
    restore_copy(copy, target, NOW)
    assert target.read_bytes() == copy.read_bytes()
    assert not list(target.parent.glob("central.db-*"))
    former = Database(DatabaseConfig(path=target.with_name("central.db.replaced")))
    assert count(former, tables.parts) == read_record(copy).counts["parts"] + 1
    former.close()


def test_a_damaged_database_is_replaced_and_a_damaged_copy_is_not_used(
    copy: Path, tmp_path: Path
) -> None:
    target = tmp_path / "damaged.db"
    target.write_bytes(b"no database" * 1000)
    restore_copy(copy, target, NOW)
    assert target.read_bytes() == copy.read_bytes()
    flip(copy)
    with pytest.raises(BackupError, match="its SHA-256 differs"):
        restore_copy(copy, tmp_path / "new.db", NOW)
    assert not (tmp_path / "new.db").exists()


def test_the_command_drill_prints_its_result(
    plant: Database, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "central.toml"
    config.write_text('[database]\npath = "central.db"\n')
    assert main(["drill", "--config", str(config)]) == 78
    assert "backup.folder or backup.pgbackrest_stanza" in capsys.readouterr().err
    copy_database(tmp_path / "central.db", copy, now_us())
    config.write_text('[database]\npath = "central.db"\n[backup]\nfolder = "copies"\n')
    assert main(["drill", "--config", str(config)]) == 0
    assert re.match(rf"restored {copy.name}: \d+ rows are right, ", capsys.readouterr().out)
    flip(copy)
    assert main(["drill", "--config", str(config)]) == 1
    assert "the restore drill failed: " in capsys.readouterr().err
    with plant.read() as connection:
        assert [each.state for each in read_drills(connection).latest] == [FAILED, GOOD]
    config.write_text('[database]\nkind = "postgresql"\n')
    assert main(["restore", str(copy), "--config", str(config)]) == 2
