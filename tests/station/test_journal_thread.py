"""The thread before the journal: it never makes the line wait, and it reports what it lost."""

import threading
from pathlib import Path

from edge.errors import JournalError
from edge.journal.writer import PartlyStoredError
from edge.records import Verdict
from edge.station.journal_thread import JournalWriter
from edge.station.part_numbers import PartNumberFile
from edge.station.previous_run import JournalTail, LastRunAccount
from edge.station.recent_parts import open_register


class StubbornJournal:
    """Takes events only while ``open`` is set; refuses the first ``refusals`` batches."""

    def __init__(self, *, refusals: int = 0) -> None:
        self.open, self.asked = threading.Event(), threading.Event()
        self.events, self.refusals = [], refusals

    def append(self, events) -> None:
        self.asked.set()
        self.open.wait(30)
        if self.refusals:
            self.refusals -= 1
            raise JournalError("disk full, scripted")
        self.events += events

    def close(self) -> None: ...


def writer(
    journal: StubbornJournal, capacity: int = 100, commit_interval_s: float = 0.0
) -> JournalWriter:
    made = JournalWriter(
        journal, station="s1", bundle="b1", capacity=capacity, commit_interval_s=commit_interval_s
    )
    made.start()
    return made


def put(made: JournalWriter, *numbers: int) -> None:
    for number in numbers:
        made.put_verdict(Verdict.unknown(number, reason="scripted"), 0)


def stored_reasons(journal: StubbornJournal) -> list[str]:
    return [f"gap of {e.count}" if "gap" in e.type else str(e.part_id) for e in journal.events]


def test_what_waits_is_written_before_the_end():
    journal = StubbornJournal()
    made = writer(journal)
    put(made, *range(90))
    journal.open.set()
    assert made.close(10.0) == 0
    assert stored_reasons(journal) == [str(number) for number in range(90)]


def test_a_disk_that_does_not_answer_costs_events_and_never_time():
    journal = StubbornJournal()
    made = writer(journal, capacity=3)
    put(made, 1)
    assert journal.asked.wait(10)
    put(made, 2, 3, 4, 5, 6)
    journal.open.set()
    assert made.close(10.0) == 2
    assert stored_reasons(journal) == ["1", "2", "3", "4", "gap of 2"]


def test_a_batch_that_is_refused_is_tried_again_and_nothing_is_lost(caplog):
    journal = StubbornJournal(refusals=1)
    journal.open.set()
    made = writer(journal)
    put(made, 1, 2)
    assert made.close(10.0) == 0
    assert stored_reasons(journal) == ["1", "2"]
    heads = [record.message.split()[0] for record in caplog.records]
    assert heads == ["journal_refuses", "journal_takes_events_again"]


def test_a_journal_that_refuses_to_the_end_is_given_up_and_counted():
    journal = StubbornJournal(refusals=10**6)
    journal.open.set()
    made = writer(journal)
    put(made, 1, 2)
    assert made.close(0.2) == 2
    assert journal.events == []


def test_what_comes_after_the_end_is_counted():
    journal = StubbornJournal()
    journal.open.set()
    made = writer(journal)
    made.close(10.0)
    put(made, 1)
    assert made.lost == 1


def test_events_wait_for_one_another_and_not_at_the_end():
    """A gathering of a minute: what the test puts goes in one batch, as soon as it ends."""
    journal = StubbornJournal()
    journal.open.set()
    sizes = []
    append = journal.append
    journal.append = lambda events: (sizes.append(len(events)), append(events))
    made = writer(journal, commit_interval_s=60.0)
    put(made, *range(10))
    assert made.close(10.0) == 0
    assert sizes == [10]


def test_a_full_batch_does_not_wait():
    journal = StubbornJournal()
    journal.open.set()
    made = writer(journal, commit_interval_s=60.0)
    put(made, *range(64))
    assert journal.asked.wait(10)
    assert made.close(10.0) == 0
    assert len(journal.events) == 64


def test_a_batch_that_was_stored_in_part_is_not_stored_twice():
    journal = StubbornJournal()
    journal.open.set()
    append, left = journal.append, [2]

    def cut_short(events):
        if left:
            stored = left.pop()
            append(events[:stored])
            raise PartlyStoredError(Path("journal.sqlite"), OSError("scripted"), range(stored))
        append(events)

    journal.append = cut_short
    made = JournalWriter(journal, station="s1", bundle="b1", commit_interval_s=60.0)
    put(made, 1, 2, 3, 4)
    made.start()
    assert made.close(10.0) == 0
    assert stored_reasons(journal) == ["1", "2", "3", "4"]


def test_the_account_comes_first_and_is_tried_for(monkeypatch, tmp_path):
    """The journal opens late; the run before lost two events and left part 3 without an event."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    before = open_register("s1", tmp_path)
    before.begin("b0", 3)
    before.record_part(3, 30)
    before.count_lost(None)
    before.count_lost(None)
    refusals = [JournalError("not open yet, scripted")] * 2

    def tail():
        if refusals:
            raise refusals.pop()
        return JournalTail(False, "aa", 1, frozenset({1}))

    register = open_register("s1", tmp_path, PartNumberFile(tmp_path / "parts.json"))
    account = LastRunAccount("s1", "b1", 4, register.last, None, tail)
    register.begin("b1", 4)
    journal = StubbornJournal(refusals=1)
    journal.open.set()
    made = JournalWriter(journal, station="s1", bundle="b1", account=account, register=register)
    register.record_part(4, 40)
    put(made, 4)
    made.start()
    assert made.close(10.0) == 0
    start, *rest = journal.events
    assert (start.type, start.last_end, start.recovered) == ("outfeed.start/1", "killed", 1)
    assert [getattr(event, "part_id", None) or event.count for event in rest] == [2, 3, 4]
    assert open_register("s1", tmp_path).last is None  # all is reported, so it was given back
