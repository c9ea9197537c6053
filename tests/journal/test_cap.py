"""The cap: what is deleted, what is reported, and that disk use is always below the cap."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.events.event import gap_event
from edge.events.identity import JournalPosition
from edge.journal.capacity import MIN_MAX_BYTES, JournalCapacity
from edge.journal.cursor import write_cursor
from edge.journal.reader import JournalReader
from edge.journal.writer import Journal, PartlyStoredError

MB = 1 << 20


def open_journal(folder: Path, max_bytes: int = MB) -> Journal:
    return Journal.open(
        folder / "journal.sqlite",
        station="s",
        max_bytes=max_bytes,
        cursor_path=folder / "uplink.json",
    )


def footprint(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("journal.sqlite*"))


def rows(folder: Path) -> list[tuple[int, dict[str, object]]]:
    with JournalReader(folder / "journal.sqlite") as reader:
        return [(row.sequence, json.loads(row.body)) for row in reader.read(None, 1_000_000)]


def test_unpublished_rows_that_go_leave_one_gap_at_the_head(tmp_path: Path) -> None:
    peak = 0
    with open_journal(tmp_path) as journal:
        for number in range(200):
            journal.append([gap_event("s", count=1, reason="x" * 400)] * 10)
            peak = max(peak, footprint(tmp_path))
            if number % 50 == 0:
                (head, gap), *rest = rows(tmp_path)
                if gap["first"] is not None:
                    assert (gap["first"], gap["last"], gap["count"]) == (1, head, head)
                assert [n for n, _ in rest] == list(range(head + 1, (number + 1) * 10 + 1))
                assert all(row["first"] is None for _, row in rest)
    assert 0.6 * MB < peak < MB


def test_published_rows_go_without_a_word(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        for _ in range(80):
            done = journal.append([gap_event("s", count=1, reason="x" * 400)] * 50)
            write_cursor(tmp_path / "uplink.json", JournalPosition(journal.uuid, done.stop - 1))
        kept = rows(tmp_path)
    assert all(row["first"] is None for _, row in kept)
    assert kept[-1][0] == 4000
    assert len(kept) > 800  # history is kept as long as there is space


def test_loss_begins_behind_what_was_published(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([gap_event("s", count=1, reason="x" * 400)] * 100)
        write_cursor(tmp_path / "uplink.json", JournalPosition(journal.uuid, 60))
        for _ in range(100):
            journal.append([gap_event("s", count=1, reason="x" * 400)] * 10)
        head, gap = rows(tmp_path)[0]
    assert (gap["first"], gap["last"], gap["count"]) == (61, head, head - 60)


def test_a_lost_gap_counts_what_it_stood_for(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.append([gap_event("s", count=1000, reason="the queue was full")])
        for _ in range(50):
            journal.append([gap_event("s", count=1, reason="x" * 400)] * 40)
        head, gap = rows(tmp_path)[0]
    assert (gap["first"], gap["count"]) == (1, 1000 + head - 1)


def test_a_lower_cap_gives_the_disk_back(tmp_path: Path) -> None:
    with open_journal(tmp_path, 8 * MB) as journal:
        journal.append([gap_event("s", count=1, reason="x" * 400)] * 9000)
        write_cursor(tmp_path / "uplink.json", JournalPosition(journal.uuid, 9000))
        assert footprint(tmp_path) > 4 * MB
    open_journal(tmp_path, MB).close()
    assert footprint(tmp_path) < MB


def test_a_batch_larger_than_the_log_may_be_is_taken_in_parts(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        assert journal.append([gap_event("s", count=1, reason="x" * 400)] * 9000) == range(1, 9001)
        assert footprint(tmp_path) < MB
        head, gap = rows(tmp_path)[0]
    assert gap["last"] == head


def test_a_large_batch_that_fails_in_the_middle_says_how_far_it_came(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 30}")
        with pytest.raises(PartlyStoredError, match=r"only the first \d+ events") as caught:
            journal.append([gap_event("s", count=1, reason="x" * 400)] * 900)
        assert [n for n, _ in rows(tmp_path)] == list(caught.value.stored)


@given(st.integers(MIN_MAX_BYTES, 1 << 40))
def test_the_shares_are_the_whole(max_bytes: int) -> None:
    budget = JournalCapacity(max_bytes)
    whole = budget.database + budget.log_full + 2 * budget.batch + budget.index
    assert whole == max_bytes
    assert max_bytes / 2 < budget.rows < budget.database
    assert budget.batch < budget.log_empty < budget.log_full


@pytest.mark.parametrize("size", [1, 400])
def test_every_row_is_there_or_reported(tmp_path: Path, size: int) -> None:
    with open_journal(tmp_path) as journal:
        for _ in range(30):
            journal.append([gap_event("s", count=1, reason="x" * size)] * 100)
        (head, _), *rest = rows(tmp_path)
    assert [n for n, _ in rest] == list(range(head + 1, 3001))


class JournalModel(RuleBasedStateMachine):
    """The journal beside a plain list of what was appended."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.journal = open_journal(self.path)
        self.texts: dict[int, str] = {}
        self.published = 0

    @rule(count=st.integers(1, 300), size=st.integers(0, 400), mark=st.characters(codec="ascii"))
    def append(self, count: int, size: int, mark: str) -> None:
        text = mark * size
        done = self.journal.append([gap_event("s", count=1, reason=text)] * count)
        assert done == range(len(self.texts) + 1, len(self.texts) + count + 1)
        self.texts.update(dict.fromkeys(done, text))

    @rule(share=st.floats(0, 1))
    def publish(self, share: float) -> None:
        self.published += int((len(self.texts) - self.published) * share)
        write_cursor(self.path / "uplink.json", JournalPosition(self.journal.uuid, self.published))

    @rule()
    def restart(self) -> None:
        uuid = self.journal.uuid
        self.journal.close()
        self.journal = open_journal(self.path)
        assert self.journal.uuid == uuid

    @rule(after=st.integers(0, 5000), limit=st.integers(1, 500))
    def read(self, after: int, limit: int) -> None:
        with JournalReader(self.path / "journal.sqlite") as reader:
            got = reader.read(JournalPosition(self.journal.uuid, after), limit)
        everything = [n for n, _ in rows(self.path) if n > after]
        assert [row.sequence for row in got] == everything[:limit]

    @invariant()
    def nothing_is_missing_without_a_word(self) -> None:
        if not hasattr(self, "journal"):
            return
        assert footprint(self.path) <= MB
        kept = rows(self.path)
        told: set[int] = set()
        for sequence, row in kept:
            if row["first"] is not None:
                told.update(range(int(str(row["first"])), int(str(row["last"])) + 1))
                assert row["last"] == sequence
            else:
                assert row["reason"] == self.texts[sequence]
        there = {sequence for sequence, _ in kept}
        assert set(range(self.published + 1, len(self.texts) + 1)) <= there | told
        if kept:
            assert there == set(range(kept[0][0], len(self.texts) + 1))

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.folder.cleanup()


TestJournalModel = JournalModel.TestCase
TestJournalModel.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
