"""A journal that was damaged, emptied, removed or restored: what is readable comes, the rest is
named, and whoever writes or reads goes on."""

import json
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from bench.flips import FlipFinding, JournalSpecimen, flip_copy, make_specimen, read, reopen
from edge.events.event import gap_event
from edge.events.identity import JournalPosition, StoredEvent
from edge.journal.cursor import read_cursor, write_cursor
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal

PAGE = 4096
MB = 1 << 20


@pytest.fixture(scope="module")
def specimen(tmp_path_factory: pytest.TempPathFactory) -> JournalSpecimen:
    return make_specimen(tmp_path_factory.mktemp("whole"), 300, is_killed=False)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> JournalSpecimen:
    return make_specimen(tmp_path_factory.mktemp("killed"), 100, is_killed=True)


def open_journal(folder: Path) -> Journal:
    return Journal.open(
        folder / "journal.sqlite",
        station="press-3",
        max_bytes=4 * MB,
        cursor_path=folder / "uplink.json",
    )


def fill(journal: Journal, first: int, last: int) -> None:
    for number in range(first, last + 1):
        journal.append([gap_event("press-3", count=number, reason="x" * 300)])


def rows(folder: Path, after: JournalPosition | None = None) -> list[StoredEvent]:
    found: list[StoredEvent] = []
    with JournalReader(folder / "journal.sqlite") as reader:
        while more := reader.read(after, 64):
            found += more
            after = more[-1].position
    return found


def counts(found: list[StoredEvent]) -> list[tuple[int, int | None]]:
    return [(row.sequence, json.loads(row.body)["count"]) for row in found]


def reasons(found: list[StoredEvent]) -> list[str]:
    bodies = [json.loads(row.body) for row in found]
    return [body["reason"] for body in bodies if not body["reason"].startswith("x")]


def test_flipped_bits_are_found(specimen: JournalSpecimen, tmp_path: Path) -> None:
    """``python -m bench.flips`` does it a thousand times."""
    dice, size = random.Random(3), (specimen.folder / "journal.sqlite").stat().st_size
    bits = [8 * PAGE * page + dice.randrange(200) for page in range(0, size // PAGE, 9)]
    bits += [dice.randrange(8 * 100) for _ in range(12)]  # SQLite's header
    bits += [dice.randrange(8 * size) for _ in range(12)]
    for bit in bits:
        for look in (read, reopen):
            flip_copy(specimen, tmp_path / "struck", "journal.sqlite", bit)
            found = look(specimen, tmp_path / "struck")
            assert (found.altered, found.missing) == (0, 0), f"bit {bit}, {look.__name__}"
            assert found.named <= 20, f"bit {bit}, {look.__name__}"


def test_flipped_bits_in_the_log_of_a_station_that_was_killed(
    killed: JournalSpecimen, tmp_path: Path
) -> None:
    """SQLite drops everything behind the damaged frame; the rows are in it all the same."""
    dice, size = random.Random(4), (killed.folder / "journal.sqlite-wal").stat().st_size
    for bit in (dice.randrange(8 * size) for _ in range(15)):
        flip_copy(killed, tmp_path / "struck", "journal.sqlite-wal", bit)
        found = reopen(killed, tmp_path / "struck")
        assert (found.altered, found.missing) == (0, 0), f"bit {bit}"
        assert found.named <= 8, f"bit {bit}"


@pytest.mark.parametrize("garbage", [b"\0" * PAGE, bytes(range(256)) * 16])
def test_a_damaged_page_costs_its_own_rows(
    specimen: JournalSpecimen, tmp_path: Path, garbage: bytes
) -> None:
    pages = (specimen.folder / "journal.sqlite").stat().st_size // PAGE
    worst = FlipFinding(0, 0, 0)
    for page in [*range(7), *range(7, pages, 31), pages - 1]:
        for look in (read, reopen):
            shutil.rmtree(tmp_path / "struck", ignore_errors=True)
            shutil.copytree(specimen.folder, tmp_path / "struck")
            with (tmp_path / "struck/journal.sqlite").open("r+b") as file:
                file.seek(PAGE * page)
                file.write(garbage)
            found = look(specimen, tmp_path / "struck")
            assert (found.altered, found.missing) == (0, 0), f"page {page}, {look.__name__}"
            worst = max(worst, found, key=lambda each: each.named)
    assert worst.named <= 12


def test_a_damaged_row_is_named_and_the_rest_follows(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        fill(journal, 1, 50)
        db = sqlite3.connect(tmp_path / "journal.sqlite")
        db.execute("UPDATE events SET body = replace(body, '\"count\":7', '\"count\":8')")
        db.execute("UPDATE events SET crc = crc + 1 WHERE sequence IN (20, 21, 49)")
        db.execute("DELETE FROM events WHERE sequence = 30")
        db.commit()
        db.close()
        fill(journal, 51, 52)  # the writer does not mind
    expected = [(n, n) for n in range(1, 53) if n not in (20, 30, 49)]
    expected += [(7, 1), (21, 2), (30, 1), (49, 1)]
    for wrong in ((7, 7), (21, 21)):
        expected.remove(wrong)
    assert counts(rows(tmp_path)) == sorted(expected)
    assert set(reasons(rows(tmp_path))) == {"rows of the journal are damaged or missing"}
    gap = next(json.loads(row.body) for row in rows(tmp_path) if row.sequence == 21)
    assert (gap["first"], gap["last"]) == (20, 21)


def test_a_repair_keeps_the_names_of_the_events(tmp_path: Path) -> None:
    """Else a receiver would have them twice."""
    with open_journal(tmp_path) as journal:
        fill(journal, 1, 40)
        before = journal.uuid
    whole = rows(tmp_path)
    with (tmp_path / "journal.sqlite").open("r+b") as file:
        file.write(b"\0" * 100)
    with open_journal(tmp_path) as journal:
        assert journal.uuid == before
        fill(journal, 41, 41)
    after = rows(tmp_path)
    assert after[:40] == whole
    assert [row.sequence for row in after] == list(range(1, 43))
    assert reasons(after) == [
        "the journal was damaged: file is not a database; 40 events were taken over"
    ]
    assert (tmp_path / "journal.sqlite.damaged").exists()
    assert not list(tmp_path.glob("*.new*"))


@pytest.mark.parametrize("crash", [1, 2, 3])
def test_a_crash_in_the_middle_of_a_repair_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: int
) -> None:
    with open_journal(tmp_path) as journal:
        fill(journal, 1, 40)
        before = journal.uuid
    write_cursor(tmp_path / "uplink.json", JournalPosition(before, 5, journal.run))
    with (tmp_path / "journal.sqlite").open("r+b") as file:
        file.write(b"\0" * 100)
    replace, left = Path.replace, [crash]

    def cut_short(self: Path, target: Path) -> Path:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", cut_short)
        with pytest.raises(KeyboardInterrupt):
            open_journal(tmp_path)
    with open_journal(tmp_path) as journal:
        assert journal.uuid == before
    assert [pair for pair in counts(rows(tmp_path)) if pair[1]] == [(n, n) for n in range(1, 41)]


@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_a_journal_that_is_gone_beside_a_cursor_is_a_visible_gap(tmp_path: Path, how: str) -> None:
    with open_journal(tmp_path) as journal:
        fill(journal, 1, 20)
        before = journal.uuid
    write_cursor(tmp_path / "uplink.json", JournalPosition(before, 15))
    if how == "emptied":
        os.truncate(tmp_path / "journal.sqlite", 0)
    else:
        (tmp_path / "journal.sqlite").unlink()
    with open_journal(tmp_path) as journal:
        assert journal.uuid != before
        fill(journal, 7, 7)
    assert counts(rows(tmp_path)) == [(1, None), (2, 7)]
    assert reasons(rows(tmp_path)) == [
        "the journal was damaged: its file was empty or missing; 0 events were taken over"
    ]


def test_a_damaged_row_at_the_cap_takes_no_other_with_it(tmp_path: Path) -> None:
    """Its sequence may be anything, and everything below it would be pruned."""
    path = tmp_path / "journal.sqlite"
    with Journal.open(
        path, station="press-3", max_bytes=MB, cursor_path=tmp_path / "uplink.json"
    ) as journal:
        for begin in range(1, 3001, 100):
            journal.append(
                [gap_event("press-3", count=n, reason="x" * 300) for n in range(begin, begin + 100)]
            )
        db = sqlite3.connect(path)
        (oldest,) = db.execute("SELECT min(sequence) FROM events").fetchone()
        db.execute("UPDATE events SET crc = crc + 1 WHERE sequence = ?", (oldest + 1,))
        db.commit()
        db.close()
        fill(journal, 3001, 3050)
        before = journal.last_sequence
    found = rows(tmp_path)
    assert [row.sequence for row in found] == list(range(found[0].sequence, before + 1))
    assert len(found) > 900
    assert json.loads(found[0].body)["first"] == 1


def test_the_first_journal_of_a_station_has_no_gap(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        fill(journal, 7, 7)
    assert counts(rows(tmp_path)) == [(1, 7)]


@pytest.mark.parametrize("how", ["emptied", "removed", "replaced"])
def test_a_file_that_goes_while_the_station_runs(tmp_path: Path, how: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with open_journal(other) as journal:
        fill(journal, 100, 110)
    path = tmp_path / "journal.sqlite"
    with open_journal(tmp_path) as journal:
        fill(journal, 1, 20)
        before = journal.uuid
        if how == "emptied":
            os.truncate(path, 0)
        elif how == "removed":
            path.unlink()
        else:
            (other / "journal.sqlite").replace(path)
        fill(journal, 21, 22)
        assert journal.uuid == before
        found = rows(tmp_path)
    assert [pair for pair in counts(found) if pair[1] is not None] == [
        *((n, n) for n in range(1, 21)),
        *((n + 1, n) for n in (21, 22)),
    ]
    (reason,) = reasons(found)
    assert reason.endswith("; 20 events were taken over")
    assert counts(rows(tmp_path)) == counts(found)  # after the end, as before


def test_a_backup_begins_a_new_journal_that_says_so(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        fill(journal, 1, 20)
    shutil.copy(tmp_path / "journal.sqlite", tmp_path / "backup")
    with open_journal(tmp_path) as journal:
        fill(journal, 21, 30)
        before = journal.uuid
    for row in rows(tmp_path):
        write_cursor(tmp_path / "uplink.json", row.position)
    shutil.copy(tmp_path / "backup", tmp_path / "journal.sqlite")
    with open_journal(tmp_path) as journal:
        assert journal.uuid != before
        fill(journal, 7, 7)
    assert counts(rows(tmp_path)) == [(1, None), (2, 7)]
    assert reasons(rows(tmp_path))[0].startswith("the journal went back from 30 to 20, by a backup")


def test_a_backup_below_a_running_uplink_hides_nothing(tmp_path: Path) -> None:
    """The cursor comes from the backup too, so the station cannot know; the uplink does."""
    path, cursor = tmp_path / "journal.sqlite", tmp_path / "uplink.json"
    with JournalReader(path) as reader:
        with open_journal(tmp_path) as journal:
            fill(journal, 1, 20)
        for row in reader.read(None, 18):
            write_cursor(cursor, row.position)
        for name in (path, cursor):
            shutil.copy(name, tmp_path / f"{name.name}.backup")
        with open_journal(tmp_path) as journal:
            fill(journal, 21, 40)
        published = reader.read(read_cursor(cursor), 100)[-1].position
        for name in (path, cursor):
            shutil.copy(tmp_path / f"{name.name}.backup", tmp_path / "copy")
            (tmp_path / "copy").replace(name)
        for suffix in ("-wal", "-shm"):  # as the reader keeps them
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        with open_journal(tmp_path) as journal:
            fill(journal, 1021, 1060)  # beyond what was published
            run = journal.run
        got = reader.read(published, 100)
        assert reader.behind == published
        assert counts(got) == [(n, 1000 + n) for n in range(21, 61)]
        assert {row.run for row in got} == {run}
        # The first of them are sent, and the connection is lost before they are confirmed.
        assert reader.read(got[10].position, 100) == got[11:]
        assert reader.read(published, 100) == got


def test_an_event_that_was_not_published_outlives_a_backup(tmp_path: Path) -> None:
    """Events journalled after a restore are published, whatever the cursor holds."""
    with open_journal(tmp_path) as journal:
        fill(journal, 1, 20)
        first = journal.run
    ahead = JournalPosition(journal.uuid, 500, "00000000000000ab", (first,))
    with open_journal(tmp_path) as journal:
        fill(journal, 21, 22)
    write_cursor(tmp_path / "uplink.json", ahead)
    with open_journal(tmp_path) as journal:
        fill(journal, 23, 23)
    got = rows(tmp_path, read_cursor(tmp_path / "uplink.json"))
    assert counts(got) == [(21, 21), (22, 22), (23, None), (24, 23)]


def test_the_cursor_knows_the_runs_before(tmp_path: Path) -> None:
    path = tmp_path / "uplink.json"
    for run in ("a", "a", "b", "c", "c"):
        write_cursor(path, JournalPosition("j", 5, run))
    position = read_cursor(path)
    assert position is not None
    assert (position.run, position.earlier) == ("c", ("b", "a"))
    for number in range(200):
        write_cursor(path, JournalPosition("j", 5, f"{number:016x}"))
    position = read_cursor(path)
    assert position is not None
    assert len(position.earlier) == 64
    write_cursor(path, JournalPosition("k", 5, "d"))
    position = read_cursor(path)
    assert position is not None
    assert position.earlier == ()
