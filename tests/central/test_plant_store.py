"""Lots, search, review queue, guidance and limits."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from bench.central_plant import HOUR_US, fill_plant
from central.figures.charts import FrozenLimits
from central.store.database import Database
from central.store.judgements import (
    JudgementError,
    PartReview,
    answer_guidance,
    read_guidance,
    read_limits,
    read_reviews,
    write_guidance,
    write_limits,
    write_review,
)
from central.store.lots import (
    LotEntry,
    LotError,
    begin_lot,
    end_lot,
    read_lot_of,
    read_lots,
    remove_lot,
    trace_lot,
)
from central.store.periods import Period, read_chain_times, read_intervals, read_severities
from central.store.search import (
    PartSearch,
    TooWideSearchError,
    find_parts,
    iterate_parts,
    read_review_queue,
)
from central.store.tables import MINUTE_US, defects, marks, parts
from edge.records import Decision

NOW = 1_800_000_000_000_000
ALL = tuple(Decision)


@pytest.fixture
def plant(database: Database) -> Database:
    fill_plant(database, NOW, hours=3, per_minute=10)
    return database


def entry(lot: str, began: float, ended: float | None = None, *stations: str) -> LotEntry:
    """Times are hours before now."""
    end = None if ended is None else NOW - int(ended * HOUR_US)
    return LotEntry(lot, stations or ("press-1",), NOW - int(began * HOUR_US), end)


def test_a_station_works_on_one_lot_at_a_time(plant: Database) -> None:
    with plant.write() as connection:
        begin_lot(connection, entry("A", 2, None, "press-1", "press-2"), "ada", NOW)
        begin_lot(connection, entry("B", 1), "ada", NOW)
        assert read_lot_of(connection, "press-1", NOW - 2 * HOUR_US) == "A"
        assert read_lot_of(connection, "press-1", NOW) == "B"
        assert read_lot_of(connection, "press-2", NOW) == "A"
        assert read_lot_of(connection, "press-2", NOW - 3 * HOUR_US) == ""
        # A lasts at press-2, therefore it has not ended.
        assert [each.entry.lot for each in read_lots(connection, is_open=True)] == ["B", "A"]
        begin_lot(connection, entry("C", 0.5, None, "press-2"), "ada", NOW)
        assert [each.entry.lot for each in read_lots(connection, is_open=True)] == ["C", "B"]


def test_every_part_of_a_lot_is_counted_once(plant: Database) -> None:
    with plant.write() as connection:
        begin_lot(connection, entry("A", 2, 1), "ada", NOW)
        begin_lot(connection, entry("B", 1), "ada", NOW)
        first, second = trace_lot(connection, "A", None), trace_lot(connection, "B", None)
        assert (first.counts.inspected, second.counts.inspected) == (600, 600)
        assert first.counts.rejected == sum(first.kinds.values()) > 0
        assert trace_lot(connection, "A", frozenset({"press-2"})).counts.inspected == 0
        found = find_parts(connection, PartSearch(lot="A", decisions=ALL), limit=1000).parts
        assert len(found) == 600
        assert {each.station for each in found} == {"press-1"}
        assert find_parts(connection, PartSearch(lot="none", decisions=ALL)).parts == ()


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (entry(" ", 1), "has a name"),
        (LotEntry("A", (), NOW), "at least one station"),
        (entry("A", 1, 2), "before the beginning"),
        (entry("A", 1, None, "<b>nowhere"), "no station"),
        (entry("A", 1.5), "another lot"),
        (entry("A", 2.5), "another lot"),
    ],
)
def test_a_wrong_lot_is_refused(plant: Database, wrong: LotEntry, expected: str) -> None:
    with plant.write() as connection:
        begin_lot(connection, entry("OLD", 2, 1), "ada", NOW)
        with pytest.raises(LotError, match=expected):
            begin_lot(connection, wrong, "ada", NOW)


def test_lots_are_ended_and_removed(plant: Database) -> None:
    with plant.write() as connection:
        number = begin_lot(connection, entry("A", 2), "ada", NOW)
        with pytest.raises(LotError, match="before the beginning"):
            end_lot(connection, number, NOW - 3 * HOUR_US)
        end_lot(connection, number, NOW - HOUR_US)
        with pytest.raises(LotError, match="already"):
            end_lot(connection, number, NOW)
        assert read_lot_of(connection, "press-1", NOW) == ""
        remove_lot(connection, number)
        for step in (lambda: remove_lot(connection, number), lambda: end_lot(connection, 9, NOW)):
            with pytest.raises(LotError, match="no lot"):
                step()
        assert read_lots(connection) == ()


def test_pages_of_a_search_have_each_part_once(plant: Database) -> None:
    with plant.write() as connection:
        # Many parts at one time, as after an outage with a wrong clock.
        connection.execute(update(parts).where(parts.c.sequence <= 300).values(at_us=NOW - HOUR_US))
    search = PartSearch(frozenset({"press-1"}), decisions=ALL)
    found, after = [], None
    while True:
        with plant.read() as connection:
            page = find_parts(connection, search, after=after, limit=70)
        found.extend(page.parts)
        after = page.after
        if after is None:
            break
    assert sorted(each.part_id for each in found) == list(range(1, 1801))
    assert [each.at_us for each in found] == sorted((each.at_us for each in found), reverse=True)
    assert list(iterate_parts(plant, search)) == found


def test_conditions_of_a_search(plant: Database) -> None:
    def find(**conditions: object) -> list[tuple[str, str, float | None, int]]:
        with plant.read() as connection:
            page = find_parts(connection, PartSearch(**conditions), limit=5_000)  # type: ignore[arg-type]
        return [(each.decision, each.kind, each.severity, each.at_us) for each in page.parts]

    rejected = find()
    assert {each[0] for each in rejected} <= {"REJECT", "UNKNOWN"}
    scratches = find(kind="scratch")
    assert scratches == [each for each in rejected if each[1] == "scratch"]
    severe = find(least=5.0, most=8.0)
    assert severe == [each for each in rejected if each[2] is not None and 5 <= each[2] <= 8]
    recent = find(from_us=NOW - HOUR_US, until_us=NOW - HOUR_US // 2)
    assert recent == [each for each in rejected if NOW - HOUR_US <= each[3] < NOW - HOUR_US // 2]
    assert find(stations=frozenset()) == []
    assert len(find(part_id=77)) == 2
    with pytest.raises(TooWideSearchError, match="by station or by lot"):
        find(decisions=ALL)


def test_the_review_queue_has_unknown_unsure_and_marked_parts(plant: Database) -> None:
    with plant.write() as connection:
        queue = read_review_queue(connection, None, NOW - 24 * HOUR_US, limit=1000)
        statement = select(defects.c.part_id, defects.c.confidence).where(defects.c.station_id == 1)
        sure = {row[0]: row[1] for row in connection.execute(statement)}
        own = [each for each in queue if each.part.station == "press-1"]
        unsure = {each.part.part_id for each in own if each.cause == "unsure"}
        assert unsure == {part for part, confidence in sure.items() if confidence < 0.7}
        first = own[0].part
        review = PartReview("correct", "seen", "ada", NOW)
        write_review(connection, "press-1", first.part_id, review)
        assert read_reviews(connection, "press-1", first.part_id) == (review,)
        later = read_review_queue(connection, frozenset({"press-1"}), 0, limit=1000)
        assert len(later) == len(own) - 1
        assert read_review_queue(connection, frozenset(), 0) == ()
        for wrong in (PartReview("good", "", "ada", NOW), PartReview("correct", "x" * 501, "a", 1)):
            with pytest.raises(JudgementError):
                write_review(connection, "press-1", 1, wrong)


def test_guidance_has_versions_and_answers(plant: Database) -> None:
    with plant.write() as connection:
        assert write_guidance(connection, "dent", "first", "ada", NOW) == 1
        answer_guidance(connection, "press-1", "dent", True, "bob", NOW)
        answer_guidance(connection, "press-1", "dent", False, "bob", NOW)
        assert write_guidance(connection, "dent", "second\r\nline", "ada", NOW) == 2
        answer_guidance(connection, "press-2", "dent", True, "bob", NOW)
        write_guidance(connection, "burr", "file", "ada", NOW)
        present = read_guidance(connection)
        assert [(each.kind, each.version, each.body) for each in present] == [
            ("burr", 1, "file"),
            ("dent", 2, "second\nline"),
        ]
        every = read_guidance(connection, "dent", every=True)
        assert [(each.version, each.helped, each.not_helped) for each in every] == [
            (2, 1, 0),
            (1, 1, 1),
        ]
        for kind, body in (("", "x"), ("dent", " "), ("dent", "x" * 4001), ("burr", "file")):
            with pytest.raises(JudgementError):
                write_guidance(connection, kind, body, "ada", NOW)
        with pytest.raises(JudgementError, match="no guidance"):
            answer_guidance(connection, "press-1", "none", True, "bob", NOW)


def test_limits_hold_until_they_are_released(plant: Database) -> None:
    first, second = FrozenLimits(0.02, 1.0, 20), FrozenLimits(0.03, 1.5, 30)
    with plant.write() as connection:
        for limits in (first, second):
            write_limits(connection, "press-1", "textures-1", limits, (0, 1), "ada", NOW)
        assert read_limits(connection) == {(1, "textures-1"): second}
        write_limits(connection, "press-1", "textures-1", None, (0, 1), "ada", NOW)
        assert read_limits(connection) == {}


def test_intervals_have_every_part_once(plant: Database) -> None:
    last = NOW // MINUTE_US
    with plant.read() as connection:
        found = read_intervals(connection, 1, Period(last - 239, last, 15))
        counted = find_parts(
            connection, PartSearch(frozenset({"press-1"}), decisions=ALL), limit=5_000
        ).parts
        severities = read_severities(connection, 1, Period(last - 239, last, 15))
        times = read_chain_times(connection, 1)
    assert sum(each.inspected for each in found) == len(counted) == 1800
    assert sum(each.rejected for each in found) == sum(severities.values())
    assert all(each.at_us % (15 * MINUTE_US) == 0 for each in found)
    assert times is not None
    assert 8_000 < times.median_us < times.p95_us <= times.p99_us <= times.most_us


@pytest.mark.parametrize("severity", [1e300, -5.0, 0.0, 12.0])
def test_an_absurd_severity_has_a_bin(plant: Database, severity: float) -> None:
    with plant.write() as connection:
        connection.execute(update(parts).values(severity=severity))
        last = NOW // MINUTE_US
        bins = read_severities(connection, 1, Period(last - 239, last, 15))
    assert list(bins) in ([0], [23])


def test_a_passed_part_with_a_mark_is_in_the_queue(plant: Database) -> None:
    with plant.write() as connection:
        statement = select(parts.c.part_id).where(
            parts.c.station_id == 1, parts.c.decision == "PASS"
        )
        part_id = connection.execute(statement.limit(1)).scalar_one()
        head = {"received_us": NOW, "station_id": 1, "journal_id": 1, "run": "aa", "sequence": 1}
        row = {"part_id": part_id, "mark": "escape", "note": "", "mark_id": "a", "marked_utc": ""}
        connection.execute(marks.insert().values(**head, **row))
        first, *_ = read_review_queue(connection, None, NOW - HOUR_US)
        assert (first.cause, first.mark, first.part.part_id) == ("marked", "escape", part_id)
        assert all(each.cause != "marked" for each in read_review_queue(connection, None, NOW + 1))
