"""A journal of an earlier Outfeed: nothing of it is lost."""

import json
import sqlite3
from pathlib import Path

import pytest

from edge.events.event import gap_event
from edge.events.identity import JournalPosition
from edge.journal import migrate as migrating
from edge.journal.cursor import write_cursor
from edge.journal.reader import JournalReader
from edge.journal.store import insert
from edge.journal.writer import Journal

ROWS = 1000
UUID = "9b2f3c1e-0000-4000-8000-000000000001"


def old_journal(folder: Path) -> None:
    """As commit af6d7e3 wrote it."""
    db = sqlite3.connect(folder / "journal.sqlite", isolation_level=None)
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    db.execute(
        "CREATE TABLE events (sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
        " weight INTEGER NOT NULL, body TEXT NOT NULL)"
    )
    db.executemany("INSERT INTO meta VALUES (?, ?)", [("journal", UUID), ("station", "press-3")])
    db.execute("PRAGMA user_version = 1")
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO events (weight, body) VALUES (?, ?)",
        ((1, body(number)) for number in range(1, ROWS + 1)),
    )
    db.execute("COMMIT")
    db.close()
    write_cursor(folder / "uplink.json", JournalPosition(UUID, 700))


def body(number: int) -> str:
    return gap_event("press-3", count=number, reason="ä" * 300).model_dump_json()


def open_journal(folder: Path) -> Journal:
    return Journal.open(
        folder / "journal.sqlite",
        station="press-3",
        max_bytes=1 << 20,
        cursor_path=folder / "uplink.json",
    )


def check(folder: Path) -> None:
    with open_journal(folder) as journal:
        assert journal.uuid == UUID
        assert journal.append([gap_event("press-3", count=1, reason="new")]) == range(
            ROWS + 1, ROWS + 2
        )
    with JournalReader(folder / "journal.sqlite") as reader:
        rows = reader.read(JournalPosition(UUID, 700), 10_000)
    assert [row.sequence for row in rows] == list(range(701, ROWS + 2))
    assert {row.run for row in rows[:-1]} == {"0" * 16}
    assert [json.loads(row.body)["count"] for row in rows[:-1]] == list(range(701, ROWS + 1))


def test_a_journal_of_format_1_keeps_its_rows_and_its_name(tmp_path: Path) -> None:
    old_journal(tmp_path)
    with JournalReader(tmp_path / "journal.sqlite") as reader:
        assert reader.read(None, 10) == []  # the station is to bring it up to date first
    check(tmp_path)


def test_a_migration_that_was_cut_short_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_journal(tmp_path)
    calls: list[int] = []

    def cut_short(db: sqlite3.Connection, journal: str, rows: list[object]) -> None:
        calls.append(len(rows))
        if len(calls) == 3:
            raise KeyboardInterrupt
        insert(db, journal, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(migrating, "insert", cut_short)
    with pytest.raises(KeyboardInterrupt):
        open_journal(tmp_path)
    monkeypatch.setattr(migrating, "insert", insert)
    check(tmp_path)
