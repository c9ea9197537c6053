"""The journal: sequences, durability, one writer, and the messages for a person."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.events.identity import JournalPosition
from edge.journal.cursor import read_cursor, write_cursor
from edge.journal.reader import JournalReader
from edge.journal.store import connect_writer
from tests.support.journals import MB, event, open_journal


def counts(folder: Path) -> list[tuple[int, int | None]]:
    """(sequence, count) of every row."""
    with JournalReader(folder / "journal.sqlite") as reader:
        rows = reader.read(None, 1_000_000)
    return [(row.sequence, json.loads(row.body)["count"]) for row in rows]


def test_rows_come_back_in_order_and_after_a_restart(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        assert journal.append([event(10), event(11)]) == range(1, 3)
        assert journal.append([]) == range(0)
        uuid = journal.uuid
    with open_journal(tmp_path) as journal:
        assert journal.append([event(12)]) == range(3, 4)
        assert journal.uuid == uuid
    assert counts(tmp_path) == [(1, 10), (2, 11), (3, 12)]


def test_a_reader_goes_on_behind_its_position(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal, JournalReader(tmp_path / "journal.sqlite") as reader:
        journal.append([event(n) for n in range(10)])
        first = reader.read(None, 4)
        assert [row.sequence for row in first] == [1, 2, 3, 4]
        assert first[0].event_id == f"press-3:{journal.uuid}:{journal.run}:1"
        rest = reader.read(JournalPosition(journal.uuid, 4), 100)
        assert [row.sequence for row in rest] == [5, 6, 7, 8, 9, 10]
        assert reader.read(JournalPosition(journal.uuid, 10), 100) == []
        assert len(reader.read(JournalPosition("another journal", 10), 100)) == 10


def test_a_reader_waits_for_the_file_and_follows_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with JournalReader(path) as reader:
        assert reader.read(None, 1) == []
        path.touch()
        assert reader.read(None, 1) == []
        with open_journal(tmp_path) as journal:
            journal.append([event(1)])
            first = reader.read(None, 1)[0]
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        assert reader.read(None, 1) == []
        with open_journal(tmp_path) as journal:
            journal.append([event(2)])
            second = reader.read(JournalPosition(first.journal, 1), 1)[0]
        assert second.journal != first.journal


def test_a_reader_in_the_middle_of_a_read_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([event(n) for n in range(100)])
        db = sqlite3.connect(tmp_path / "journal.sqlite")
        frozen = db.execute("SELECT * FROM events")
        frozen.fetchone()
        refused = ""
        for n in range(2000):  # 2 MB: without the reader that hangs the log would be emptied
            try:
                journal.append([event(n, 400)])
            except JournalError as error:
                refused = str(error)
                break
        assert "reader that hangs" in refused
        assert footprint(tmp_path) < MB
        frozen.close()
        db.close()
        assert journal.append([event(1)]).start > 100


def footprint(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("journal.sqlite*"))


def test_only_one_writer(tmp_path: Path) -> None:
    first = open_journal(tmp_path)
    with pytest.raises(JournalError, match=r"journal\.lock: another station is running"):
        open_journal(tmp_path)
    first.close()
    open_journal(tmp_path).close()


def test_a_journal_of_another_station_is_refused(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    with pytest.raises(JournalError, match="belongs to station 'press-3', not 'press-4'"):
        open_journal(tmp_path, station="press-4")


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    db = sqlite3.connect(tmp_path / "journal.sqlite")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match=r"newer Outfeed \(format 99, "):
        open_journal(tmp_path)
    with (
        pytest.raises(JournalError, match="newer"),
        JournalReader(tmp_path / "journal.sqlite") as reader,
    ):
        reader.read(None, 1)
    assert not list(tmp_path.glob("*.damaged"))


@pytest.mark.parametrize("where", ["all", "other"])
def test_a_file_that_is_no_journal_is_moved_aside(tmp_path: Path, where: str) -> None:
    path = tmp_path / "journal.sqlite"
    with open_journal(tmp_path) as journal:
        journal.append([event(n, 300) for n in range(500)])
        before = journal.uuid
    if where == "other":
        path.unlink()
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE t (x)")
        db.commit()
        db.close()
    else:
        path.write_bytes(b"no database" * 1000)
    with open_journal(tmp_path) as journal:
        assert journal.uuid != before
        assert journal.append([event(7)]) == range(2, 3)
    assert counts(tmp_path) == [(1, None), (2, 7)]
    assert path.with_name("journal.sqlite.damaged").exists()


def test_a_crash_before_the_tables_were_made_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    connect_writer(path, busy_timeout_ms=1, wal_bytes=MB).close()
    assert path.stat().st_size > 0
    with open_journal(tmp_path) as journal:
        assert journal.append([event(7)]) == range(1, 2)
    assert not list(tmp_path.glob("*.damaged"))


def test_damage_found_while_running_is_replaced_and_nothing_stops(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with open_journal(tmp_path) as journal:
        journal.append([event(n, 300) for n in range(500)])
    with open_journal(tmp_path) as journal:
        before = journal.uuid
        with path.open("r+b") as file:
            file.write(b"\xaa" * path.stat().st_size)
        with JournalReader(path) as reader:
            with pytest.raises(JournalError, match=r"journal\.sqlite: cannot be read"):
                reader.read(None, 10)
            journal._db.execute("PRAGMA shrink_memory")  # forget the pages in the cache
            journal.append([event(7)])
            assert journal.uuid != before
            assert [row.sequence for row in reader.read(None, 10)] == [1, 2]


def test_a_full_disk_is_one_line_and_passes(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(JournalError, match=r"journal\.sqlite: .* full$"):
            journal.append([event(n, 400) for n in range(50)])
        assert counts(tmp_path) == []
        journal._db.execute("PRAGMA max_page_count = 100000")
        assert journal.append([event(1)]) == range(1, 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError, match=r"Permission denied"):
        open_journal(tmp_path)
    tmp_path.chmod(0o700)


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"journal\.lock: cannot be opened: No such file"):
        open_journal(tmp_path / "nowhere")


def test_too_small_a_cap_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="are too few"):
        open_journal(tmp_path, max_bytes=MB - 1)


def test_a_disk_that_forgot_gets_a_new_journal(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([event(1)])
        before = journal.uuid
    write_cursor(tmp_path / "uplink.json", JournalPosition(before, 5))
    with open_journal(tmp_path) as journal:
        assert journal.uuid != before  # else sequences 2 to 5 would be given out twice
        journal.append([event(2)])
    assert [count for _, count in counts(tmp_path)] == [None, 2]


def test_the_cursor_survives_all_but_is_never_needed(tmp_path: Path) -> None:
    path = tmp_path / "uplink.json"
    assert read_cursor(path) is None
    write_cursor(path, JournalPosition("j", 5))
    assert read_cursor(path) == JournalPosition("j", 5)
    for damage in (
        b"",
        b"{",
        b"[1]",
        b'{"journal":"j","published":-1}',
        b'{"journal":"j"}',
        b"\xff",
    ):
        path.write_bytes(damage)
        assert read_cursor(path) is None
    with pytest.raises(JournalError, match="cannot be written"):
        write_cursor(tmp_path / "nowhere" / "uplink.json", JournalPosition("j", 5))


def test_the_cursor_of_an_earlier_version_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "uplink.json"
    path.write_bytes(b'{"journal":"j","published":5}')
    assert read_cursor(path) == JournalPosition("j", 5)
    for number in (6, 7, 8):
        write_cursor(path, JournalPosition("j", number))
        assert read_cursor(path) == JournalPosition("j", number)


def test_a_position_that_is_cut_short_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "uplink.json"
    for number in range(1, 6):
        write_cursor(path, JournalPosition("j", number))
        before = path.read_bytes()
        write_cursor(path, JournalPosition("k" * 36, 1000 + number))
        after = path.read_bytes()
        assert len(before) == len(after) == 8192
        changed = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        for cut in changed:  # the disk took so many bytes of it
            path.write_bytes(after[:cut] + before[cut:])
            assert read_cursor(path) in (
                JournalPosition("j", number),
                JournalPosition("k" * 36, 1000 + number),
            )
        path.write_bytes(after)
        assert read_cursor(path) == JournalPosition("k" * 36, 1000 + number)


KILLED_WRITER = """
import sys
from pathlib import Path
from edge.events.event import gap_event
from edge.journal.writer import Journal
folder = Path(sys.argv[1])
with Journal.open(folder / "journal.sqlite", station="press-3", max_bytes=1 << 20,
                  cursor_path=folder / "uplink.json") as journal:
    while True:
        done = journal.append([gap_event("press-3", count=1, reason="x" * 200)] * 7)
        print(done.stop - 1, flush=True)
"""


def test_what_was_appended_survives_sigkill_and_a_batch_is_all_or_nothing(tmp_path: Path) -> None:
    last = 0
    for lines in (1, 50, 200):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                promised = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                promised = int(line)
        sequences = [sequence for sequence, _ in counts(tmp_path)]
        assert sequences[-1] >= promised > last
        assert sequences[-1] % 7 == 0
        last = sequences[-1]
