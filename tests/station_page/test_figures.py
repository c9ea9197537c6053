"""The figures: counts, limits of memory, clocks that jump, and shifts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from edge.events.event import (
    ActuationAction,
    ActuationCause,
    GapEvent,
    MarkEvent,
    OtherEvent,
    gap_event,
    mark_event,
)
from edge.inbox import new_mark
from edge.records import Decision
from edge.station_page.figures import (
    MOST_PARTS,
    MOST_REJECTS,
    LineFigures,
    PartCount,
    minute_of,
    shift_begin,
)
from tests.support.station_page import action, defect, part

P, R, U = Decision.PASS, Decision.REJECT, Decision.UNKNOWN
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)


def at(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def minute(minutes: int) -> int:
    found = minute_of(at(minutes))
    assert found is not None
    return found


def test_parts_are_counted_by_minute() -> None:
    figures = LineFigures()
    for number, (minutes, decision) in enumerate([(0, P), (0.5, R), (1, P), (2, U), (70, R)]):
        figures.add("j", part(number + 1, decision, utc=at(minutes)))
    assert figures.counts(minute(0), minute(2)) == PartCount(parts=4, rejected=1, unknown=1)
    assert figures.counts(minute(1), minute(1)) == PartCount(parts=1)
    assert figures.counts(minute(0), minute(99)).yield_share == pytest.approx(2 / 5)
    assert PartCount().yield_share is None
    assert figures.newest_part == 5


def test_the_ejector_and_marks_are_joined_to_their_part() -> None:
    figures = LineFigures()
    figures.add("j", part(1, R, defect()))
    figures.add("j", part(2, R, defect()))
    figures.add("j", action(1))
    figures.add("j", action(2, ActuationAction.MISSED, ActuationCause.TOO_CLOSE))
    figures.add("j", action(None, ActuationAction.EJECTED, ActuationCause.UNANNOUNCED))
    figures.add("j", action(2, ActuationAction.NO_PART, ActuationCause.SEEN_AGAIN))
    mark = mark_event("press-1", new_mark(1, "false-reject", "dust"), None)
    figures.add("j", mark)
    figures.add("j", mark)  # after a crash the journal may have a mark twice
    second, first = figures.rejects
    assert first.action is not None
    assert second.action is not None
    assert (first.action.action, second.action.cause) == (
        ActuationAction.EJECTED,
        ActuationCause.TOO_CLOSE,
    )
    assert [each.note for each in first.marks] == ["dust"]
    now = int(time.time() // 60)
    counts = figures.counts(now - 2, now + 1)
    assert (counts.ejected, counts.missed) == (2, 1)


def test_the_memory_is_limited() -> None:
    figures = LineFigures()
    many = [defect(kind=f"k{n}") for n in range(64)]
    for number in range(1, 3_001):
        figures.add("j", part(number, R, *many, utc=at(number)))
        figures.add("j", mark_event("s", new_mark(1 + number // 2, "look", ""), None))
        figures.add("j", gap_event("s", count=1, reason="x"))
    assert len(figures.rejects) == MOST_REJECTS
    assert len(figures.parts) == MOST_PARTS
    assert len(figures.rejects[0].event.defects) == 16
    assert len(figures._minutes) <= 26 * 60
    assert figures.find(1) is None
    assert figures.find(3_000) is figures.rejects[0]


def test_a_clock_that_jumps_counts_nothing_twice_and_nothing_in_the_future() -> None:
    figures = LineFigures()
    for number, minutes in enumerate([0, 1, 900, 2, 3], 1):  # 15 h ahead, and back
        figures.add("j", part(number, P, utc=at(minutes)))
    assert figures.counts(minute(0), minute(10)).parts == 4
    figures.add("j", part(6, P, utc="9999-99-99T99:99"))
    figures.add("j", part(7, P, utc=""))
    assert figures.counts(minute(0), minute(10)).parts == 4
    assert figures.newest_part == 7


def test_lost_events_and_unknown_ones() -> None:
    figures = LineFigures()
    figures.add("j", gap_event("s", count=7, reason="disk full"))
    head = {"station": "s", "boot_id": "b", "utc": at(0)}
    figures.add("j", GapEvent(**head, count=None, first=1, last=1, reason="?"))
    figures.add("j", OtherEvent(**head, type="outfeed.new/9"))
    now = int(time.time() // 60)
    assert figures.counts(now - 2, now + 1).lost == 7
    assert figures.counts(minute(0), minute(0)).lost == 1
    assert figures.last_loss is not None
    marks = MarkEvent(
        station="s",
        boot_id="b",
        utc=at(0),
        part_id=9,
        mark="look",
        note="",
        mark_id="m",
        marked_utc="",
        picture=None,
    )
    figures.add("j", marks)  # of a part that is not known any more


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("now", "begin"),
    [
        ("2026-01-31T06:00", "2026-01-31T06:00"),
        ("2026-01-31T13:59", "2026-01-31T06:00"),
        ("2026-01-31T23:00", "2026-01-31T22:00"),
        ("2026-02-01T05:59", "2026-01-31T22:00"),
        ("2026-03-29T05:00", "2026-03-28T22:00"),  # the clock went forward in this shift
    ],
)
def test_a_shift_begins_in_the_time_zone_of_the_machine(now: str, begin: str) -> None:
    moment = datetime.fromisoformat(now).timestamp()
    found = shift_begin(("06:00", "14:00", "22:00"), moment)
    assert datetime.fromtimestamp(found).isoformat(timespec="minutes") == begin


def test_one_shift_a_day() -> None:
    moment = datetime(2026, 1, 31, 5, 0).timestamp()
    assert datetime.fromtimestamp(shift_begin(("06:00",), moment)) == datetime(2026, 1, 30, 6, 0)
