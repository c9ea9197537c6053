"""One transaction per batch, on SQLite and on PostgreSQL: nothing is lost, nothing is doubled."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select

from central.store import tables
from central.store import writer as writer_module
from central.store.database import Database
from central.store.message import BrokerMessage
from central.store.queries import read_counters, read_part, read_parts, read_wall
from central.store.writer import BatchWriter
from edge.records import Decision
from tests.support.central_events import (
    JOURNAL,
    OTHER_RUN,
    PREFIX,
    RUN,
    count,
    covered,
    defect,
    gap,
    message,
    now_us,
    rows,
    status,
    stored,
)


def test_a_batch_is_stored_with_its_rows(database: Database, writer: BatchWriter) -> None:
    batch = [
        message(1, decision="REJECT", defects=[defect("dent", 3.0), defect("crack", 9.0)]),
        message(2, "outfeed.actuation/1", part_id=1, action="ejected"),
        message(3, "outfeed.actuation/1", part_id=9, action="missed"),
        message(4, decision="UNKNOWN", timings_us=None),
        message(5),
        message(6, "outfeed.mark/1", part_id=1, note="looked at it"),
    ]
    result = writer.write(batch)
    assert result.counts["stored"] == 6
    assert result.journals == (("press-3", JOURNAL),)
    assert stored(database) == [(RUN, number) for number in range(1, 7)]
    assert sorted(row[0] for row in rows(database, tables.events, "payload")) == sorted(
        each.payload for each in batch
    )
    with database.read() as connection:
        (part,) = read_part(connection, "press-3", 1)
        (station,) = read_wall(connection, now_us())
    assert (part.part.kind, part.part.severity, part.part.decision) == ("crack", 9.0, "REJECT")
    assert [each.kind for each in part.defects] == ["dent", "crack"]
    assert [each.action for each in part.actuations] == ["ejected"]
    assert [each.note for each in part.marks] == ["looked at it"]
    hour = station.hour
    figures = (hour.inspected, hour.passed, hour.rejected, hour.unknown, hour.ejected, hour.missed)
    assert figures == (3, 1, 1, 1, 1, 1)
    assert hour.yield_share == pytest.approx(1 / 3)
    assert [each.part_id for each in station.rejects] == [4, 1]
    kinds = sorted(rows(database, tables.rollup_kinds, "kind", "rejected", "defects"))
    assert kinds == [("crack", 1, 1), ("dent", 0, 1)]


def test_repeats_of_a_batch_change_nothing(
    database: Database, make_writer: Callable[[], BatchWriter]
) -> None:
    batch = [message(number, decision="REJECT") for number in range(1, 30)]
    make_writer().write(batch)
    before = {table.name: rows(database, table) for table in _DERIVED}
    other = make_writer()
    for _ in range(2):
        result = other.write([*batch, *batch])
        assert (result.counts["stored"], result.counts["repeats"]) == (0, 58)
    assert {table.name: rows(database, table) for table in _DERIVED} == before
    with database.read() as connection:
        assert read_counters(connection)["repeats"] == 116


_DERIVED = (tables.events, tables.parts, tables.defects, tables.rollups, tables.conflicts)


def test_any_order_in_any_batches(
    database: Database, make_writer: Callable[[], BatchWriter]
) -> None:
    messages = [message(number) for number in range(1, 200)]
    shuffled = [*messages, *random.Random(1).sample(messages, 150)]
    random.Random(2).shuffle(shuffled)
    writers = [make_writer(), make_writer()]  # two collectors of one group
    for at in range(0, len(shuffled), 23):
        writers[at % 2].write(shuffled[at : at + 23])
    assert stored(database) == [(RUN, number) for number in range(1, 200)]
    assert rows(database, tables.journals, "complete_to", "known_to") == [(199, 199)]
    assert rows(database, tables.runs, "run", "ranges") == [(RUN, "[[1,199]]")]


def test_a_batch_that_fails_leaves_nothing(database: Database, writer: BatchWriter) -> None:
    writer.write([message(1)])

    def fail(connection, cursor, statement, *_) -> None:
        if statement.startswith("UPDATE journals"):
            raise RuntimeError("the process ends here")

    sqlalchemy_event.listen(database.engine, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError):
        writer.write([message(2), status(), message(3, station="press-4")])
    sqlalchemy_event.remove(database.engine, "before_cursor_execute", fail)
    assert stored(database) == [(RUN, 1)]
    assert rows(database, tables.stations, "name", "state") == [("press-3", "")]
    assert writer.write([message(2)]).counts["stored"] == 1
    assert rows(database, tables.journals, "complete_to") == [(2,)]


def test_a_copied_card_is_stored_twice_and_reported(
    database: Database, make_writer: Callable[[], BatchWriter]
) -> None:
    make_writer().write([message(number) for number in range(1, 6)])
    copies = [message(number, run=OTHER_RUN) for number in (4, 5, 6)]
    result = make_writer().write(copies)
    assert (result.counts["stored"], result.counts["copies"]) == (3, 2)
    assert stored(database) == [(RUN, n) for n in range(1, 6)] + [(OTHER_RUN, n) for n in (4, 5, 6)]
    assert rows(database, tables.journals, "complete_to", "shared_from") == [(3, 4)]
    found = rows(database, tables.conflicts, "kind", "run", "other_run", "first", "last", "count")
    assert found == [("copy", OTHER_RUN, RUN, 4, 5, 2)]
    assert make_writer().write(copies).counts["repeats"] == 3
    assert rows(database, tables.conflicts, "count") == [(2,)]


def test_a_repeat_with_other_content_is_kept_and_reported(
    database: Database, make_writer: Callable[[], BatchWriter]
) -> None:
    make_writer().write([message(1, reason="first")])
    other = message(1, reason="second")
    result = make_writer().write([other, other])
    assert (result.counts["contents"], result.counts["repeats"]) == (1, 1)
    assert rows(database, tables.conflicts, "kind", "run", "first", "count") == [
        ("content", RUN, 1, 1)
    ]
    assert sorted(rows(database, tables.events, "fault")) == [("",), ("content",)]
    assert rows(database, tables.parts, "reason") == [("first",)]
    assert make_writer().write([other]).counts["repeats"] == 1


def test_a_repeat_of_an_event_that_is_no_longer_kept_is_dropped(
    database: Database, make_writer: Callable[[], BatchWriter]
) -> None:
    make_writer().write([message(1)])
    with database.write() as connection:
        connection.execute(tables.events.delete())
    assert make_writer().write([message(1, reason="other")]).counts["unproven"] == 1
    assert count(database, tables.conflicts) == 0


def test_a_gap_event_accounts_for_its_numbers(
    database: Database, make_writer: Callable[[], BatchWriter]
) -> None:
    writer = make_writer()
    writer.write([message(1), gap(2, 8), message(9)])
    assert rows(database, tables.journals, "complete_to", "known_to") == [(9, 9)]
    assert rows(database, tables.gaps, "first", "last", "count") == [(2, 8, 7)]
    # The station draws it up again with another time.
    assert writer.write([gap(2, 8, utc="2026-01-01T00:00:00Z")]).counts["repeats"] == 1
    # One of the events was only late. The number of the gap event itself is free too.
    late = [message(5), message(8)]
    assert make_writer().write(late).counts["stored"] == 2
    assert make_writer().write(late).counts["repeats"] == 2
    assert count(database, tables.conflicts) == 0


def test_merged_runs_are_looked_up(
    database: Database, make_writer: Callable[[], BatchWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.store.coverage.MAX_RUNS", 2)
    batch = [message(number, run=f"{number:x}") for number in range(1, 7)]
    make_writer().write(batch)
    assert ("merged", "[[1,4]]") in rows(database, tables.runs, "run", "ranges")
    writer = make_writer()
    assert writer.write(batch[:2]).counts["repeats"] == 2
    copy = writer.write([message(2, run="f")])
    assert (copy.counts["copies"], copy.counts["stored"]) == (1, 1)
    assert rows(database, tables.journals, "complete_to") == [(1,)]
    other = writer.write([message(1, run="1", reason="other")])
    assert other.counts["contents"] == 1


def test_too_many_gaps_are_refused_until_they_are_filled(
    database: Database, writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.store.coverage.MAX_SEGMENTS", 3)
    result = writer.write([message(number) for number in (1, 3, 5, 7)])
    assert (result.counts["stored"], result.counts["scattered"]) == (3, 1)
    assert rows(database, tables.journals, "known_to") == [(5,)]
    assert writer.write([message(2), message(4), message(7)]).counts["stored"] == 3
    assert covered(database) == {1, 2, 3, 4, 5, 7}


def test_the_status_is_kept_with_its_journal(database: Database, writer: BatchWriter) -> None:
    result = writer.write([status(journal=JOURNAL, note="two clients", published=7)])
    assert result.statuses == (("press-3", JOURNAL),)
    found = rows(database, tables.stations, "name", "state", "note", "journal", "published")
    assert found == [("press-3", "online", "two clients", JOURNAL, 7)]
    writer.write([status(state="offline", cause="lost")])
    assert rows(database, tables.stations, "state", "cause") == [("offline", "lost")]


def test_times_of_a_wrong_clock_are_not_used_for_figures(
    database: Database, writer: BatchWriter
) -> None:
    at_us = now_us()
    writer.write([message(1, utc="1999-01-01T00:00:00Z", received_us=at_us)])
    writer.write([message(2, utc="soon", received_us=at_us)])
    utc = "2026-01-01T00:00:00Z"
    near_us = 1_767_225_600_000_000 + 5_000_000
    writer.write([message(3, utc=utc, received_us=near_us)])
    found = sorted(rows(database, tables.parts, "sequence", "at_us", "utc_us"))
    assert found == [
        (1, at_us, 915_148_800_000_000),
        (2, at_us, None),
        (3, 1_767_225_600_000_000, 1_767_225_600_000_000),
    ]


def test_parts_are_listed_newest_first(database: Database, writer: BatchWriter) -> None:
    start_us = now_us() - 100_000_000
    for number in range(1, 11):
        decision = "REJECT" if number % 5 == 0 else "PASS"
        changes = {"decision": decision, "received_us": start_us + number}
        writer.write([message(number, utc="not a time", **changes)])
    with database.read() as connection:
        everything = read_parts(connection, "press-3", limit=3)
        before = read_parts(connection, "press-3", before_us=everything[-1].at_us, limit=2)
        rejects = read_parts(connection, "press-3", decisions=[Decision.REJECT])
        assert read_parts(connection, "press-4") == ()
    assert [each.part_id for each in everything] == [10, 9, 8]
    assert [each.part_id for each in before] == [7, 6]
    assert [each.part_id for each in rejects] == [10, 5]


def test_refused_messages_are_kept_up_to_a_number(
    database: Database, writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MAX_REFUSED", 5)
    wrong = [BrokerMessage(f"{PREFIX}/press-3/events", b"{}", now_us()) for _ in range(12)]
    assert writer.write([*wrong, message(1)]).counts["refused"] == 12
    assert count(database, tables.refused) == 5
    with database.read() as connection:
        assert read_counters(connection)["refused"] == 12
    assert stored(database) == [(RUN, 1)]


def test_a_database_that_was_emptied_is_filled_again(
    database: Database, writer: BatchWriter
) -> None:
    writer.write([message(1)])
    with database.write() as connection:
        for table in (tables.runs, tables.journals, tables.events, tables.stations):
            connection.execute(table.delete())
    writer.write([message(1), message(2)])
    assert stored(database) == [(RUN, 1), (RUN, 2)]
    assert covered(database) == {1, 2}


def test_the_payload_is_stored_as_it_came(database: Database, writer: BatchWriter) -> None:
    plain = json.loads(message(1).payload)
    spaced = json.dumps({**plain, "a key of a later version": [1, {"é": None}]}, indent=3).encode()
    writer.write([BrokerMessage(f"{PREFIX}/press-3/events", spaced, now_us())])
    with database.read() as connection:
        assert bytes(connection.execute(select(tables.events.c.payload)).scalar_one()) == spaced
