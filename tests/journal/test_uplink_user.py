"""The uplink as another user than the station: it reads the journal, and can do it no harm."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.events.identity import JournalPosition
from edge.journal.cursor import read_cursor, write_cursor
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal
from tests.support.journals import event, open_journal
from tests.support.users import GROUP, STATION, UPLINK, acting_as, needs_root, open_folder, owned


@pytest.fixture
def place() -> Iterator[Path]:
    with open_folder() as folder:
        owned(folder / "state", STATION)
        owned(folder / "uplink", UPLINK)
        yield folder


def opened(place: Path) -> Journal:
    return Journal.open(
        place / "state/journal.sqlite",
        station="press-3",
        max_bytes=1 << 24,
        cursor_path=place / "uplink/uplink.json",
    )


def written(place: Path, count: int, how: str) -> None:
    """As the station: so many verdicts, then its end."""

    def task() -> None:
        journal = opened(place)
        journal.append([event(number) for number in range(count)])
        if how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        journal.close()

    assert acting_as(task, STATION) == ("None" if how == "closed" else "")


def read(place: Path) -> list[int]:
    with JournalReader(place / "state/journal.sqlite") as reader:
        return [row.sequence for row in reader.read(None, 1000)]


@needs_root
@pytest.mark.parametrize("how", ["closed", "killed"])
def test_it_reads_a_journal_that_no_process_has_open(place: Path, how: str) -> None:
    assert acting_as(lambda: read(place), UPLINK) == "[]"
    written(place, 5, how)
    before = sorted(path.name for path in (place / "state").iterdir())
    assert acting_as(lambda: read(place), UPLINK) == "[1, 2, 3, 4, 5]"
    assert sorted(path.name for path in (place / "state").iterdir()) == before


@needs_root
def test_it_follows_a_journal_that_is_opened_written_closed_and_opened_again(place: Path) -> None:
    """One reader throughout, in steps that the parent commands."""
    written(place, 2, "closed")
    ask, do = os.pipe()
    done, tell = os.pipe()

    def task() -> object:
        seen = []
        reader = JournalReader(place / "state/journal.sqlite")
        while os.read(ask, 1) == b"r":
            try:
                seen.append(len(reader.read(None, 1000)))
            except JournalError as error:
                seen.append(str(error))
            os.write(tell, b".")
        return seen

    def step() -> None:
        os.write(do, b"r")
        assert os.read(done, 1) == b"."

    child = os.fork()
    if child == 0:
        (place / "said").touch()
        os.chown(place / "said", UPLINK, GROUP)
        (place / "said").write_text(acting_as(task, UPLINK))
        os._exit(0)
    step()  # closed: 2
    station = opened_as_station(place, 3)
    step()  # open: 5
    station.close()
    step()
    station = opened_as_station(place, 1)
    step()  # open again: 6
    station.close()
    os.write(do, b"e")
    os.waitpid(child, 0)
    assert (place / "said").read_text() == "[2, 5, 5, 6]"


def opened_as_station(place: Path, count: int) -> Journal:
    """In this process, root: SQLite gives what it makes to whom the database belongs."""
    journal = opened(place)
    journal.append([event(number) for number in range(count)])
    return journal


@needs_root
def test_it_can_neither_write_nor_remove_nor_hold_what_is_the_stations(place: Path) -> None:
    written(place, 3, "killed")
    state = place / "state"
    for name in ("bundles.json", "inbox"):
        owned(state / name, STATION) if name == "inbox" else (state / name).write_text("{}")

    def refused(task: Callable[[], object]) -> bool:
        try:
            task()
        except PermissionError:
            return True
        return False

    def attempts() -> object:
        made = [
            refused((state / "new").touch),
            refused((state / "inbox/x.json").touch),
            refused((state / "bundles.json").unlink),
            refused(lambda: (state / "journal.sqlite").open("r+b")),
            refused(lambda: (state / "journal.sqlite-wal").open("r+b")),
            refused(lambda: (state / "journal.sqlite-shm").open("r+b")),
            refused(lambda: state.rename(place / "elsewhere")),
            # flock(2) asks for no right to write: only not being able to open it keeps it free.
            refused(lambda: (state / "journal.lock").open("rb")),
        ]
        return all(made), made

    assert acting_as(attempts, UPLINK).startswith("(True, ")


@needs_root
def test_it_cannot_end_the_station(place: Path) -> None:
    station = os.fork()
    if station == 0:
        os.setresuid(STATION, STATION, STATION)
        signal.pause()
    try:
        said = acting_as(lambda: os.kill(station, signal.SIGKILL), UPLINK)
        assert "PermissionError" in said
    finally:
        os.kill(station, signal.SIGKILL)
        os.waitpid(station, 0)


@needs_root
@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "device", "loop", "huge", "lease"])
def test_a_cursor_that_is_no_file_is_none_and_does_not_block(place: Path, kind: str) -> None:
    path, secret = place / "uplink/uplink.json", place / "secret"
    write_cursor(secret, JournalPosition("j", 7))
    lease = -1
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        os.mknod(path, 0o020666, os.makedev(1, 5))
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.write_bytes(secret.read_bytes())
        lease = os.open(path, os.O_RDWR)
        before = signal.signal(signal.SIGIO, signal.SIG_IGN)
        fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    try:
        assert acting_as(lambda: read_cursor(path), STATION) == "None"
        said = acting_as(lambda: opened(place).append([event(1)]), STATION)
        assert said == "range(1, 2)"
    finally:
        if lease >= 0:
            os.close(lease)
            signal.signal(signal.SIGIO, before)


def test_a_cursor_is_never_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "uplink.json").symlink_to(victim)
    with pytest.raises(JournalError, match=os.strerror(errno.ELOOP)):
        write_cursor(tmp_path / "uplink.json", JournalPosition("j", 7))
    assert victim.read_text() == "precious"


def _hostile(journal: str, published: int, run: str = "") -> bytes:
    text = json.dumps({"journal": journal, "published": published, "run": run}).encode()
    return (text + b"\n%08x\n" % zlib.crc32(text)).ljust(4096)


@pytest.mark.parametrize("published", [10**30, 1 << 63, (1 << 63) - 1, 1 << 54, -1, -(10**30)])
def test_a_position_that_cannot_be_is_none(tmp_path: Path, published: int) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([event(1)])
        (tmp_path / "uplink.json").write_bytes(_hostile(journal.uuid, published))
    assert read_cursor(tmp_path / "uplink.json") is None
    with open_journal(tmp_path) as journal, JournalReader(tmp_path / "journal.sqlite") as reader:
        journal.append([event(2)])
        assert len(reader.read(read_cursor(tmp_path / "uplink.json"), 10)) >= 2


@pytest.mark.parametrize("run", ["", "0" * 16, "f" * 16])
@pytest.mark.parametrize("published", [20, 21, 1 << 40, 1 << 53])
def test_a_position_beyond_the_journal_deletes_nothing(
    tmp_path: Path, published: int, run: str
) -> None:
    """An attacker's uplink wrote the cursor: the events that it never published are still there,
    and the journal reports that something is wrong."""
    with open_journal(tmp_path) as journal:
        journal.append([event(number) for number in range(1, 21)])
        name = journal.uuid
    cursor = tmp_path / "uplink.json"
    cursor.write_bytes(_hostile(name, published, run))
    with open_journal(tmp_path) as journal:
        journal.append([event(99)])
    assert sum(_counts(path) for path in tmp_path.glob("journal*sqlite*") if _is_one(path)) >= 21


def _is_one(path: Path) -> bool:
    return path.read_bytes()[:15] == b"SQLite format 3"


def _counts(path: Path) -> int:
    """The rows of a file of SQLite's, whatever it is called."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM events").fetchone()[0])


def test_a_position_at_the_end_lets_rows_go_only_where_there_is_no_room(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([event(number) for number in range(1, 21)])
        (tmp_path / "uplink.json").write_bytes(_hostile(journal.uuid, 20))
        journal.append([event(number) for number in range(21, 41)])
    with open_journal(tmp_path), JournalReader(tmp_path / "journal.sqlite") as reader:
        assert len(reader.latest(100)) == 40
