"""Tests of the receiver: repeats are dropped, gaps and copies of a station are reported."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.errors import OutfeedError
from edge.events.event import gap_event
from edge.events.identity import StoredEvent
from edge.receiver import Conflict, ReceivedEvent, Receiver
from edge.receiver import receiver as receiver_module
from edge.receiver import stream as stream_module
from edge.receiver.coverage import SequenceRanges

STAMPED = gap_event("s", count=1, reason="x")


def payload(sequence: int, journal: str = "j", *, run: str = "r", reason: str = "x") -> bytes:
    body = STAMPED.model_copy(update={"reason": reason}).model_dump_json()
    return StoredEvent("s", journal, run, sequence, body).payload


def gap(first: int, last: int, *, run: str = "r") -> bytes:
    update = {"first": first, "last": last, "count": last - first + 1}
    return StoredEvent(
        "s", "j", run, last, STAMPED.model_copy(update=update).model_dump_json()
    ).payload


def accept(receiver: Receiver, *sequences: int, run: str = "r") -> list[tuple[int, range, bool]]:
    results: list[ReceivedEvent | None] = [
        receiver.accept("s", payload(number, run=run)) for number in sequences
    ]
    return [(r.identity.sequence, r.missing, r.is_late) for r in results if r is not None]


def gaps(receiver: Receiver) -> tuple[range, ...]:
    (journal,) = receiver.coverage()
    return journal.gaps


def test_repeats_are_dropped() -> None:
    assert [n for n, _, _ in accept(Receiver(), 5, 6, 7, 5, 6, 7, 8)] == [5, 6, 7, 8]


def test_a_gap_is_reported_and_may_be_filled_late() -> None:
    receiver = Receiver()
    assert accept(receiver, 1, 5) == [(1, range(1, 1), False), (5, range(2, 5), False)]
    assert accept(receiver, 3, 3, 5) == [(3, range(3, 3), True)]
    assert gaps(receiver) == (range(2, 3), range(4, 5))
    (journal,) = receiver.coverage()
    assert (journal.first, journal.complete_to, journal.last) == (1, 1, 5)
    assert accept(receiver, 2, 4, 2, 4) == [(2, range(2, 2), True), (4, range(4, 4), True)]
    assert gaps(receiver) == ()


def test_each_journal_has_its_own_sequence_numbers() -> None:
    receiver = Receiver()
    assert receiver.accept("s", payload(9))
    assert receiver.accept("s", payload(1, "k"))
    assert receiver.accept("s", payload(1, "k")) is None
    assert [(one.journal, one.last) for one in receiver.coverage()] == [("j", 9), ("k", 1)]


def test_a_receiver_continues_where_another_stopped() -> None:
    first = Receiver()
    accept(first, 5, 6, 9)
    receiver = Receiver(first.coverage())
    assert receiver.coverage() == first.coverage()
    assert [n for n, _, _ in accept(receiver, 5, 6, 9, 8, 10)] == [8, 10]
    assert receiver.unproven == 3  # coverage() has no checksums of contents


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=9),
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 60)), max_size=20),
)
@example([2, 2, 2, 2, 2, 2], [(11, 11), (12, 2), (2, 0)])
def test_an_uplink_that_starts_again_further_back_causes_no_conflict(
    lengths: list[int], restarts: list[tuple[int, int]]
) -> None:
    """Each event of each run is handed over once, however often and from where it is repeated, even
    if the checksums of its run were removed in between. restarts: the number of events that arrive,
    and how far the uplink then goes back."""
    runs = [f"run{number}" for number, length in enumerate(lengths) for _ in range(length)]
    receiver, handed, at = Receiver(), list[int](), 0
    for count, back in [*restarts, (0, len(runs)), (len(runs), 0)]:
        until = min(at + count, len(runs))
        for sequence in range(at + 1, until + 1):
            received = receiver.accept("s", payload(sequence, run=runs[sequence - 1]))
            if received is not None:
                assert received.conflict is None
                handed.append(sequence)
        at = max(0, until - back)
    assert handed == list(range(1, len(runs) + 1))


@given(st.lists(st.integers(2, 30), max_size=80))
def test_in_any_order_each_event_is_handed_over_once(sequences: list[int]) -> None:
    receiver = Receiver()
    accepted = [number for number, _, _ in accept(receiver, 1, *sequences)]
    assert sorted(accepted) == sorted({1, *sequences})
    missing = {n for gap in gaps(receiver) for n in gap}
    assert missing == set(range(1, max(sequences, default=0))) - {1, *sequences}


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=40))
def test_ranges_hold_exactly_the_added_numbers(added: list[tuple[int, int]]) -> None:
    coverage, plain = SequenceRanges(), set[int]()
    for start, length in added:
        coverage.add(range(start, start + length))
        plain |= set(range(start, start + length))
        assert {n for numbers in coverage.ranges for n in numbers} == plain
        assert all(a.stop < b.start for a, b in pairwise(coverage.ranges))
        assert {n for n in range(50) if n in coverage} == plain
        assert (coverage.first, coverage.last) == (min(plain, default=0), max(plain, default=0))
    assert SequenceRanges(coverage.ranges).ranges == coverage.ranges
    assert {n for gap in coverage.gaps for n in gap} == set(
        range(coverage.first, coverage.last)
    ) - plain


def test_with_too_many_ranges_the_oldest_gap_is_forgotten() -> None:
    coverage = SequenceRanges([range(n, n + 1) for n in range(1, 20, 2)], max_ranges=3)
    assert coverage.ranges == (range(1, 16), range(17, 18), range(19, 20))


def test_runs_of_one_journal_follow_one_another_without_a_gap() -> None:
    receiver = Receiver()
    assert accept(receiver, 1, 2) == [(1, range(1, 1), False), (2, range(2, 2), False)]
    assert accept(receiver, 3, 3, run="q") == [(3, range(3, 3), False)]
    assert accept(receiver, 5, run="p") == [(5, range(4, 5), False)]
    assert accept(receiver, 1, 2) == []
    assert receiver.conflicts() == {}


def test_a_copied_card_loses_nothing_and_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """The two stations have twenty events in common. Then both use the same numbers."""
    receiver = Receiver()
    accept(receiver, *range(1, 21))
    mine = [(n, "mine") for n in range(21, 41)]
    copy = [(n, "copy") for n in range(21, 49)]
    got = []
    for _ in range(2):  # each event comes twice
        for sequence, run in sorted(mine + copy):
            received = receiver.accept("s", payload(sequence, run=run, reason=run))
            if received is not None:
                got.append((sequence, run, received.conflict))
    assert [(n, run) for n, run, _ in got] == sorted(mine + copy)
    assert [n for n, _, conflict in got if conflict is Conflict.COPY] == list(range(21, 41))
    assert receiver.conflicts() == {"s": {Conflict.COPY: 20}}
    lines = [r.message for r in caplog.records if "station_contradicts_itself" in r.message]
    assert len(lines) == 2  # at 1 and at 10
    assert "station=s kind=copy events=1 " in lines[0]
    assert gaps(receiver) == ()


def test_other_content_with_a_known_event_id_is_handed_over_once_and_reported() -> None:
    """A virtual machine that was restored with its memory sends such events."""
    receiver = Receiver()
    assert receiver.accept("s", payload(1)) is not None
    for _ in range(3):
        assert receiver.accept("s", payload(1)) is None
    other = receiver.accept("s", payload(1, reason="y"))
    assert other is not None
    assert other.conflict is Conflict.CONTENT
    for _ in range(3):
        assert receiver.accept("s", payload(1, reason="y")) is None
        assert receiver.accept("s", payload(1)) is None
    assert receiver.conflicts() == {"s": {Conflict.CONTENT: 1}}
    assert (receiver.repeats, receiver.unproven) == (9, 0)


def test_a_gap_event_for_events_that_have_arrived_is_no_conflict() -> None:
    receiver = Receiver()
    accept(receiver, 1, 2, 3)
    assert receiver.accept("s", gap(2, 3)) is None
    assert receiver.accept("s", gap(2, 3, run="q")) is None
    accept(receiver, 7)
    explained = receiver.accept("s", gap(4, 7, run="q"))
    assert explained is not None  # 4 to 6 have not arrived
    assert explained.conflict is None
    assert receiver.conflicts() == {}


def test_a_payload_of_another_station_than_its_topic_is_refused() -> None:
    receiver = Receiver()
    with pytest.raises(OutfeedError, match="not an event of station 't', but of 's'"):
        receiver.accept("t", payload(1))
    assert receiver.coverage() == ()
    forged = payload(1).replace(b'"event_id": "s:', b'"event_id": "t:')
    with pytest.raises(OutfeedError, match="not an event of station 's'"):
        receiver.accept("s", forged)


def test_the_memory_is_limited_for_each_station(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "_MAX_JOURNALS", 3)
    monkeypatch.setattr(stream_module, "_MAX_RUNS", 5)
    receiver = Receiver()
    other = payload(1).replace(b'"s:', b'"t:').replace(b'"station":"s"', b'"station":"t"')
    assert receiver.accept("t", other) is not None
    for number in range(1, 30):
        assert receiver.accept("s", payload(1, f"journal {number}"))
        assert receiver.accept("s", payload(number, "j", run=f"run {number}"))
    assert receiver.accept("t", other) is None  # messages of s did not remove the memory of t
    mine = [one for one in receiver.coverage() if one.station == "s"]
    assert [one.journal for one in mine] == ["journal 28", "journal 29", "j"]
    assert [run.run for run in mine[-1].runs] == [f"run {number}" for number in range(25, 30)]
    # A forgotten run is not mistaken for a copy of the station.
    assert receiver.accept("s", payload(3, "j", run="run 3")) is None
    assert receiver.conflicts() == {}
