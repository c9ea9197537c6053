"""The follower of the journal: what it reads, and every state of the file that is no error."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.config.station import StationConfig
from edge.records import Decision
from edge.station_page import follower as module
from edge.station_page.follower import JournalFollower
from tests.support.station_page import (
    action,
    defect,
    open_page_journal,
    page_config,
    part,
    write_journal,
)

P, R = Decision.PASS, Decision.REJECT


@pytest.fixture
def config(tmp_path: Path) -> StationConfig:
    return page_config(tmp_path)


def ago(hours: float) -> str:
    moment = datetime.now(timezone.utc) - timedelta(hours=hours)
    return moment.isoformat().replace("+00:00", "Z")


def follow(config: StationConfig, hours: float = 8.0) -> JournalFollower:
    since_s = (datetime.now(timezone.utc) - timedelta(hours=hours)).timestamp()
    return JournalFollower(config.paths.journal, lambda: since_s)


def catch_up(follower: JournalFollower) -> None:
    while follower.step() < module._LOOK_S:
        pass


def numbers(follower: JournalFollower) -> list[int]:
    return [each.event.part_id for each in reversed(follower.figures.parts)]


def test_it_reads_while_a_station_writes(config: StationConfig) -> None:
    follower = follow(config)
    journal = open_page_journal(config)
    for number in range(1, 41):
        journal.append([part(number, R if number % 4 == 0 else P), action(number)])
        if number % 3 == 0:
            catch_up(follower)
            assert numbers(follower)[-1] == number
            assert follower.fault == ""
    journal.close()
    catch_up(follower)
    assert numbers(follower) == list(range(1, 41))
    assert follower.newest is not None
    assert (follower.newest.published, follower.behind) == (80, 0)


def test_the_writer_is_never_delayed_by_an_open_reader(config: StationConfig) -> None:
    """A transaction that takes the whole lock succeeds between any two steps."""
    write_journal(config, [part(1)])
    follower = follow(config)
    catch_up(follower)
    db = sqlite3.connect(config.paths.journal, timeout=0)
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    db.execute("BEGIN EXCLUSIVE")
    db.rollback()
    db.close()
    catch_up(follower)


def test_no_journal_yet_and_one_that_appears(config: StationConfig) -> None:
    follower = follow(config)
    assert follower.step() == module._FAULT_S
    assert "there is no journal yet" in follower.fault
    write_journal(config, [part(1)])
    catch_up(follower)
    assert (follower.fault, numbers(follower)) == ("", [1])


def test_a_journal_that_is_removed_or_replaced(config: StationConfig) -> None:
    write_journal(config, [part(1), part(2)])
    follower = follow(config)
    catch_up(follower)
    for path in config.state_dir.glob("journal.sqlite*"):
        path.unlink()
    follower.step()
    assert "the journal is gone" in follower.fault
    assert numbers(follower) == [1, 2]
    write_journal(config, [part(7)])
    catch_up(follower)
    assert (follower.fault, numbers(follower)) == ("", [7])


def test_a_locked_journal(config: StationConfig) -> None:
    write_journal(config, [part(1)])
    db = sqlite3.connect(config.paths.journal, isolation_level=None)
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("BEGIN EXCLUSIVE")
    follower = follow(config)
    assert follower.step() == module._FAULT_S
    assert "locked" in follower.fault
    db.execute("ROLLBACK")
    db.close()
    catch_up(follower)
    assert (follower.fault, numbers(follower)) == ("", [1])


@pytest.mark.parametrize("data", [b"", b"x" * 5000, b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_journal(config: StationConfig, data: bytes) -> None:
    config.paths.journal.write_bytes(data)
    follower = follow(config)
    assert follower.step() == module._FAULT_S
    assert "journal.sqlite" in follower.fault
    assert "\n" not in follower.fault


def test_a_folder_in_place_of_the_journal(config: StationConfig) -> None:
    config.paths.journal.mkdir()
    follower = follow(config)
    assert follower.step() == module._FAULT_S
    assert follower.fault


def test_damaged_pages_are_losses_and_the_rest_is_shown(config: StationConfig) -> None:
    write_journal(config, [part(n, R, defect()) for n in range(1, 201)])
    size = config.paths.journal.stat().st_size
    with config.paths.journal.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(os.urandom(4096))
    follower = follow(config)
    catch_up(follower)
    assert follower.fault == ""
    assert numbers(follower)[-1] == 200
    assert follower.figures.last_loss is not None


def test_a_restored_backup_is_followed(config: StationConfig, tmp_path: Path) -> None:
    write_journal(config, [part(1), part(2)])
    shutil.copy(config.paths.journal, tmp_path / "backup")
    write_journal(config, [part(3), part(4)])
    follower = follow(config)
    catch_up(follower)
    shutil.copy(tmp_path / "backup", config.paths.journal)
    write_journal(config, [part(9)])
    catch_up(follower)
    assert follower.fault == ""
    assert numbers(follower)[-1] == 9


def test_it_begins_at_the_shift_and_shows_older_rejects(
    config: StationConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RECENT_ROWS", 10)
    hours = [24 - n * 24 / 2000 for n in range(2000)]
    write_journal(config, [part(n + 1, P, utc=ago(each)) for n, each in enumerate(hours)])
    follower = follow(config, hours=8)
    catch_up(follower)
    now = int(datetime.now(timezone.utc).timestamp() // 60)
    counted = follower.figures.counts(0, now + 1).parts
    # 8 of 24 hours, to the minute.
    assert abs(counted - 2000 / 3) <= 2
    assert follower.is_whole
    later = follow(config, hours=0.001)
    catch_up(later)
    assert later.figures.counts(0, now + 1).parts >= 10


def test_a_journal_without_the_begin_of_the_shift_is_not_whole(
    config: StationConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_journal(config, [part(n + 1, P, utc=ago(4)) for n in range(100)])
    monkeypatch.setattr(module, "MOST_ROWS", 50)
    follower = follow(config, hours=8)
    catch_up(follower)
    assert not follower.is_whole
    assert len(follower.figures.parts) == 51


def test_a_long_backlog_is_read_in_steps(config: StationConfig) -> None:
    write_journal(config, [part(n) for n in range(1, 1201)])
    follower = follow(config)
    assert follower.step() == module._CHUNK_PAUSE_S
    assert follower.behind == 1000
    catch_up(follower)
    assert follower.behind == 0
    assert follower.figures.newest_part == 1200
