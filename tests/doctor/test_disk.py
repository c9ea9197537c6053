"""The findings on disk, journal, last parts and unpublished events."""

import os
import sqlite3
import time
from pathlib import Path

import pytest

from edge.assembly.station import open_journal
from edge.doctor import disk
from edge.doctor.context import DiagnosticContext
from edge.doctor.finding import Level
from edge.events.event import Event, part_event
from edge.events.identity import JournalPosition
from edge.journal.cursor import write_cursor
from edge.records import Decision, Verdict
from tests.doctor.contexts import STATION, context, disk_of


def verdicts(passed: int, unknown: int = 0) -> list[Event]:
    results = [Verdict(n, Decision.PASS, "no defect", (), 0.0, None) for n in range(1, passed + 1)]
    late = "late: 101.2 ms, budget 100 ms"
    results += [Verdict.unknown(passed + n, reason=late) for n in range(1, unknown + 1)]
    return [part_event("press-3", "dark-spots-1", verdict, 0) for verdict in results]


def journalled(one: DiagnosticContext, events: list[Event]) -> str:
    with open_journal(one.config) as journal:
        journal.append(events)
        return journal.uuid


@pytest.mark.parametrize(
    ("fields", "level", "message"),
    [
        ({}, Level.OK, "1024 MiB free"),
        ({"f_bavail": 1 << 15}, Level.WARN, "the journal may grow by 256"),
        ({"f_bavail": 1 << 10}, Level.FAIL, "4 MiB free"),
        ({"f_favail": 40}, Level.WARN, "40 inodes left"),
        ({"f_files": 0, "f_favail": 0}, Level.OK, "free"),  # a file system without inodes
        ({"f_flag": os.ST_RDONLY}, Level.FAIL, "is read-only"),
    ],
)
def test_the_disk(tmp_path: Path, fields: dict[str, int], level: Level, message: str) -> None:
    finding = disk.disk(context(tmp_path, statvfs=lambda path: disk_of(**fields)))
    assert (finding.level, message in finding.message) == (level, True), finding


@pytest.mark.parametrize(("enabled", "level"), [("true", Level.WARN), ("false", Level.OK)])
def test_a_disk_without_space_for_pictures(tmp_path: Path, enabled: str, level: Level) -> None:
    extra = f"[journal]\nmax_mb = 1\n[pictures]\nmin_free_mb = 256.0\nenabled = {enabled}\n"
    of_128_mib = disk_of(f_bavail=1 << 15)
    finding = disk.disk(context(tmp_path, extra, statvfs=lambda path: of_128_mib))
    assert finding.level is level
    assert ("pictures.min_free_mb is 256" in finding.message) == (level is Level.WARN)


def test_a_folder_that_is_missing_or_not_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = context(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert "may not write" in disk.disk(one).message
    (tmp_path / "state").rmdir()
    assert disk.disk(one).level is Level.FAIL


def test_reading_an_intact_journal_changes_no_file(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert disk.journal(one).message == "none yet"
    journalled(one, verdicts(30))
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "state").iterdir())
    assert disk.journal(one).level is Level.OK
    assert disk.parts(one) is not None
    assert disk.uplink(one) is not None
    after = sorted((path.name, path.stat().st_mtime_ns) for path in (tmp_path / "state").iterdir())
    assert after == before


def test_a_journal_while_a_station_runs(tmp_path: Path) -> None:
    one = context(tmp_path, running=STATION)
    with open_journal(one.config) as journal:
        journal.append(verdicts(30))  # in the write-ahead log, not yet in the database
        assert disk.journal(one).level is Level.OK
        assert "0 of 30 unknown" in str(disk.parts(one))
        journal.append(verdicts(5))  # the check holds no lock


def test_damage(tmp_path: Path) -> None:
    one = context(tmp_path)
    journalled(one, verdicts(200))
    data = bytearray(one.config.paths.journal.read_bytes())
    data[8192:16384] = bytes(8192)
    one.config.paths.journal.write_bytes(bytes(data))
    assert disk.journal(one).level is Level.FAIL
    one.config.paths.journal.write_bytes(b"no database at all, and some more" * 100)
    assert "cannot be read" in disk.journal(one).message
    assert disk.parts(one) is None


def test_damaged_rows_are_counted_and_named(tmp_path: Path) -> None:
    one = context(tmp_path)
    journalled(one, verdicts(3000))
    db = sqlite3.connect(one.config.paths.journal)
    db.execute("UPDATE events SET body = replace(body, 'PASS', 'FAIL') WHERE sequence IN (7, 2900)")
    db.execute("UPDATE events SET body = CAST(x'7bff' AS TEXT) WHERE sequence = 3000")
    db.execute("DELETE FROM events WHERE sequence BETWEEN 1500 AND 1503")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    finding = disk.journal(one)
    assert finding.level is Level.WARN
    message = "3 rows damaged, 4 missing, at 3000, 2900, 1500, 7; 2993 intact"
    assert finding.message == message
    assert disk.parts(one) is not None
    assert disk.uplink(one) is not None


def test_the_check_of_a_large_journal_has_a_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = context(tmp_path)
    journalled(one, verdicts(3000))
    monkeypatch.setattr(disk, "_AUDIT_S", 0.0)
    assert disk.journal(one).message.endswith(", the newest 1000 rows checked")


def test_a_journal_of_another_station(tmp_path: Path) -> None:
    journalled(context(tmp_path), verdicts(3))
    other = context(tmp_path, text=('id = "press-3"', 'id = "press-4"'))
    assert disk.journal(other).message == "belongs to station 'press-3'"


def test_a_journal_above_its_capacity(tmp_path: Path) -> None:
    one = context(tmp_path)
    journalled(one, verdicts(1))
    with (tmp_path / "state" / "journal.sqlite-shm").open("wb") as file:
        file.truncate(300 << 20)  # a sparse file takes no space
    assert disk.journal(one).level is Level.WARN


@pytest.mark.parametrize(
    ("unknown", "level"), [(0, Level.OK), (1, Level.OK), (10, Level.WARN), (90, Level.FAIL)]
)
def test_the_last_parts(tmp_path: Path, unknown: int, level: Level) -> None:
    one = context(tmp_path)
    assert disk.parts(one) is None
    journalled(one, verdicts(60, unknown))
    finding = disk.parts(one)
    assert finding is not None
    assert finding.level is level
    assert f"{unknown} of {60 + unknown} unknown" in finding.message
    if level is not Level.OK:
        assert finding.advice == "mostly: late"


def test_a_line_that_stands(tmp_path: Path) -> None:
    one = context(tmp_path, running=STATION, now_s=lambda: time.time() + 7200)
    journalled(one, verdicts(3))
    finding = disk.parts(one)
    assert finding is not None
    assert (finding.level, finding.message) == (Level.WARN, "the last 2 h ago, 0 of 3 unknown")


def test_the_uplinks_lag(tmp_path: Path) -> None:
    one = context(tmp_path)
    assert disk.uplink(one) is None
    uuid = journalled(one, verdicts(9))
    assert str(disk.uplink(one)).startswith("OK uplink: 9 events unpublished, the oldest 0 s old")
    later = context(tmp_path, now_s=lambda: time.time() + 900)
    finding = disk.uplink(later)
    assert finding is not None
    assert (finding.level, "the oldest 15 min old" in finding.message) == (Level.WARN, True)
    write_cursor(one.config.paths.cursor, JournalPosition(uuid, 4))
    assert "5 events unpublished" in str(disk.uplink(one))
    write_cursor(one.config.paths.cursor, JournalPosition(uuid, 9))
    assert str(disk.uplink(later)) == "OK uplink: all events are published"
    write_cursor(one.config.paths.cursor, JournalPosition(uuid, 9, committed=6))
    waiting = disk.uplink(later)
    assert waiting is not None
    assert waiting.level is Level.WARN
    assert waiting.message.startswith("3 events not committed by the central system, the oldest 15")
    write_cursor(one.config.paths.cursor, JournalPosition(uuid, 9, committed=9))
    assert str(disk.uplink(later)).endswith("published, and committed by the central system")
    write_cursor(one.config.paths.cursor, JournalPosition("another journal", 9))
    assert "9 events unpublished" in str(disk.uplink(one))
