"""A journal whose disk refuses at the start: events wait, those above the limit are a gap event."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.errors import JournalError
from edge.events.event import GapEvent, PartEvent
from edge.events.identity import parse_payload
from edge.journal.lock import LockHeldError
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal
from edge.records import Verdict
from edge.station.deferred_journal import DeferredJournal
from edge.station.journal_thread import JournalWriter
from edge.station.retry import Retrying

MB = 1 << 20


def opens(folder: Path) -> Journal:
    return Journal.open(
        folder / "journal.sqlite",
        station="s1",
        max_bytes=MB,
        cursor_path=folder / "uplink.json",
    )


class Disk:
    """An opener that refuses, hangs or has a bug until the test ends that."""

    def __init__(self, folder: Path, error: BaseException | None = None) -> None:
        self.folder, self.error = folder, error
        self.answers = threading.Event()
        self.answers.set()

    def open(self) -> Journal:
        self.answers.wait(30)
        if self.error is not None:
            raise self.error
        return opens(self.folder)


def eventually(holds: Callable[[], object]) -> None:
    limit_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < limit_s
        time.sleep(0.01)


def test_what_found_no_room_is_a_gap_event_when_the_disk_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(tmp_path, JournalError("no space left on device"))
    journal = DeferredJournal(disk.open, within_s=5)
    assert journal.last_sequence is None
    writer = JournalWriter(journal, station="s1", bundle="b1", capacity=4)
    writer.start()
    writer.put_verdict(Verdict.unknown(1, reason="a"), 0)
    eventually(lambda: "no space" in writer.fault)  # the first one is under way
    for number in range(2, 12):
        writer.put_verdict(Verdict.unknown(number, reason="a"), 0)
    assert writer.lost == 6
    disk.error = None
    eventually(lambda: not writer.fault)
    assert writer.close(10) == 6
    journal.close()
    with JournalReader(tmp_path / "journal.sqlite") as reader:
        events = [parse_payload(stored.payload)[1] for stored in reader.read(None, 100)]
    parts = [event.part_id for event in events if isinstance(event, PartEvent)]
    gaps = [event.count for event in events if isinstance(event, GapEvent)]
    assert (parts, gaps) == ([1, 2, 3, 4, 5], [6])
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if line.startswith("journal_open_refused")]) == 1
    assert len([line for line in said if line == "journal_open_done"]) == 1


def test_a_disk_that_hangs_is_left_behind(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.answers.clear()
    journal = DeferredJournal(disk.open, within_s=0.2)  # returns, although the disk does not
    with pytest.raises(JournalError, match="no answer yet"):
        journal.append([])
    journal.close()
    disk.answers.set()
    eventually((tmp_path / "journal.sqlite").exists)
    eventually(lambda: not any(t.name == "retry-journal_open" for t in threading.enumerate()))
    opens(tmp_path).close()  # one that opened after the close was closed: no one holds its lock


def test_a_station_that_runs_on_the_folder_ends_the_start(tmp_path: Path) -> None:
    with opens(tmp_path), pytest.raises(LockHeldError, match="another station is running"):
        DeferredJournal(lambda: opens(tmp_path), within_s=5)


def test_a_foreign_journal_ends_the_start(tmp_path: Path) -> None:
    Journal.open(
        tmp_path / "journal.sqlite",
        station="other",
        max_bytes=MB,
        cursor_path=tmp_path / "uplink.json",
    ).close()
    with pytest.raises(JournalError, match="belongs to station 'other'"):
        DeferredJournal(lambda: opens(tmp_path), within_s=5)


def test_what_comes_later_ends_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path, JournalError("read-only file system"))
    journal = DeferredJournal(disk.open, within_s=5)
    disk.error = LockHeldError("another station is running on this folder")

    def is_told() -> bool:
        with pytest.raises(JournalError) as caught:
            journal.append([])
        return "another station" in str(caught.value)

    eventually(is_told)
    journal.close()


def test_a_bug_in_opening_reaches_who_appends(tmp_path: Path) -> None:
    disk = Disk(tmp_path, JournalError("no space left on device"))
    journal = DeferredJournal(disk.open, within_s=5)
    disk.error = ZeroDivisionError("a bug, scripted")
    limit_s = time.monotonic() + 60
    while time.monotonic() < limit_s:
        try:
            journal.append([])
        except JournalError:
            continue
        except ZeroDivisionError:
            return
    pytest.fail("the bug was hidden")


def test_a_step_is_tried_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    errors = [JournalError("a"), JournalError("a"), JournalError("b")]

    def step() -> None:
        if errors:
            raise errors.pop(0)

    with caplog.at_level(logging.WARNING):
        retrying = Retrying("thing", step)
        assert not retrying.start(5)
        eventually(lambda: retrying.done)
        eventually(lambda: "thing_done" in caplog.messages)
    # A thread of another test in this process may log as well.
    assert [message for message in caplog.messages if message.startswith("thing")] == [
        "thing_refused reason=a; it is tried again",
        "thing_refused reason=b; it is tried again",
        "thing_done",
    ]
