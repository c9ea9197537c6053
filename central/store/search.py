"""The search for parts, and the review queue."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, or_, select, tuple_

from central.store.database import Database
from central.store.plant_tables import lot_stations, lots, reviews
from central.store.queries import PartSummary
from central.store.tables import defects, marks, parts, stations
from edge.records import Decision

VERDICTS = ("correct", "false-reject", "escape")
"""The verdicts of a review."""

UNSURE_BELOW = 0.7
"""A part whose most certain defect has a lower confidence is in the review queue."""

_REVIEWED_PARTS = 1_000
_CHUNK = 2_000
_COLUMNS = ("part_id", "at_us", "decision", "reason", "kind", "severity", "part_score", "defects")


class TooWideSearchError(ValueError):
    """A search that no index serves. The text states what to add."""


@dataclass(frozen=True, slots=True)
class PartPosition:
    """The place of a part in a list by time: the list goes on behind it."""

    at_us: int
    journal_id: int
    sequence: int


@dataclass(frozen=True, slots=True)
class PartSearch:
    """The conditions of a search; all of them hold.

    stations: names; None: every one. from_us: inclusive; until_us: exclusive. decisions: empty:
    all. kind: of the worst defect. least, most: severity of the worst defect, inclusive.
    lot: only parts that a station inspected while it worked on this lot.
    """

    stations: frozenset[str] | None = None
    from_us: int | None = None
    until_us: int | None = None
    decisions: tuple[Decision, ...] = (Decision.REJECT, Decision.UNKNOWN)
    kind: str = ""
    least: float | None = None
    most: float | None = None
    lot: str = ""
    part_id: int | None = None


@dataclass(frozen=True, slots=True)
class FoundParts:
    """A page of parts, newest first. after: the position for the next page; None: no more."""

    parts: tuple[PartSummary, ...]
    after: PartPosition | None


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A part that a person should look at. cause: unknown, unsure or marked."""

    part: PartSummary
    cause: str
    confidence: float | None
    mark: str


def find_parts(
    connection: Connection,
    search: PartSearch,
    *,
    after: PartPosition | None = None,
    limit: int = 50,
) -> FoundParts:
    """Return the next parts of a search, newest first.

    Takes an index for each search: passed parts need a station or a lot. Raises TooWideSearchError.
    """
    check_width(search)
    rows = connection.execute(_statement(connection, search, after).limit(limit + 1)).all()
    found = tuple(PartSummary(*row[:-2]) for row in rows[:limit])
    if len(rows) <= limit:
        return FoundParts(found, None)
    last = rows[limit - 1]
    return FoundParts(found, PartPosition(found[-1].at_us, *last[-2:]))


def check_width(search: PartSearch) -> None:
    """Raise TooWideSearchError for a search of passed parts at all stations and in all lots."""
    if search.part_id is None and not search.lot and search.stations is None and _passed(search):
        raise TooWideSearchError("passed parts are searched by station or by lot: name one of them")


def iterate_parts(database: Database, search: PartSearch) -> Iterator[PartSummary]:
    """Yield all parts of a search, newest first, with a short transaction for each 2,000.

    Memory does not grow with their number. Raises StoreError and TooWideSearchError.
    """
    after: PartPosition | None = None
    while True:
        with database.read() as connection:
            page = find_parts(connection, search, after=after, limit=_CHUNK)
        yield from page.parts
        after = page.after
        if after is None:
            return


def read_review_queue(
    connection: Connection, names: frozenset[str] | None, since_us: int, limit: int = 100
) -> tuple[ReviewItem, ...]:
    """Return the parts without a review that are UNKNOWN, unsure or marked.

    names: of stations; None: all. The latest 1,000 parts without a review since ``since_us`` that
    did not pass are considered, and marks since then.
    """
    sure = (
        select(func.max(defects.c.confidence))
        .where(
            defects.c.station_id == parts.c.station_id,
            defects.c.part_id == parts.c.part_id,
        )
        .scalar_subquery()
    )
    noted = (
        select(func.max(marks.c.mark))
        .where(marks.c.station_id == parts.c.station_id, marks.c.part_id == parts.c.part_id)
        .scalar_subquery()
    )
    base = _parts(PartSearch(names, since_us))
    recent = connection.execute(
        base.add_columns(sure, noted).where(~_reviewed()).limit(_REVIEWED_PARTS)
    ).all()
    marked = _marked(connection, names, since_us, limit)
    found = [ReviewItem(PartSummary(*row[:-3]), "marked", None, row[-1]) for row in marked]
    for row in recent:
        cause = _cause(row[3], row[-2], row[-1])
        if cause:
            found.append(ReviewItem(PartSummary(*row[:-4]), cause, row[-2], row[-1] or ""))
    found.sort(key=lambda each: (each.cause != "marked", -each.part.at_us))
    return tuple(found[:limit])


def _marked(
    connection: Connection, names: frozenset[str] | None, since_us: int, limit: int
) -> Sequence[Any]:
    """Return passed parts with a mark and without a review, each with its mark."""
    made = connection.execute(
        select(marks.c.station_id, marks.c.part_id)
        .where(marks.c.received_us >= since_us)
        .order_by(marks.c.received_us.desc())
        .limit(limit)
    ).all()
    if not made:
        return ()
    place = tuple_(parts.c.station_id, parts.c.part_id)
    return connection.execute(
        _parts(PartSearch(names, decisions=(Decision.PASS,)))
        .join(
            marks,
            and_(marks.c.station_id == parts.c.station_id, marks.c.part_id == parts.c.part_id),
        )
        .add_columns(marks.c.mark)
        .where(place.in_([tuple(each) for each in made]), ~_reviewed())
        .order_by(None)
    ).all()


def _cause(decision: str, confidence: float | None, mark: str | None) -> str:
    if mark:
        return "marked"
    if decision == Decision.UNKNOWN.value:
        return "unknown"
    return "unsure" if confidence is not None and confidence < UNSURE_BELOW else ""


def _reviewed() -> Any:
    return exists().where(
        reviews.c.station_id == parts.c.station_id, reviews.c.part_id == parts.c.part_id
    )


def _passed(search: PartSearch) -> bool:
    return not search.decisions or Decision.PASS in search.decisions


def _parts(search: PartSearch) -> Select[Any]:
    columns = (*(parts.c[name] for name in _COLUMNS), parts.c.bundle)
    statement = (
        select(stations.c.name, *columns, parts.c.journal_id, parts.c.sequence)
        .join(stations, stations.c.id == parts.c.station_id)
        .order_by(parts.c.at_us.desc(), parts.c.journal_id.desc(), parts.c.sequence.desc())
    )
    if search.decisions:
        wanted = [each.value for each in search.decisions]
        statement = statement.where(parts.c.decision.in_(wanted))
        if not _passed(search):
            statement = statement.where(parts.c.decision != Decision.PASS.value)  # the index
    for condition in (
        None if search.from_us is None else parts.c.at_us >= search.from_us,
        None if search.until_us is None else parts.c.at_us < search.until_us,
        None if not search.kind else parts.c.kind == search.kind,
        None if search.least is None else parts.c.severity >= search.least,
        None if search.most is None else parts.c.severity <= search.most,
        None if search.part_id is None else parts.c.part_id == search.part_id,
    ):
        if condition is not None:
            statement = statement.where(condition)
    if search.stations is not None:
        named: Collection[str] = sorted(search.stations)
        numbers = select(stations.c.id).where(stations.c.name.in_(named))
        statement = statement.where(
            # With one station the index by station and time gives the order.
            parts.c.station_id == numbers.scalar_subquery()
            if len(named) == 1
            else parts.c.station_id.in_(numbers)
        )
    return statement


def _statement(
    connection: Connection, search: PartSearch, after: PartPosition | None
) -> Select[Any]:
    if search.part_id is not None:
        search = replace(search, decisions=())
    statement = _parts(search)
    if search.part_id is not None:
        # Otherwise SQLite reads all parts in the order of time, to save the sorting of a few.
        order = (parts.c.at_us + 0, parts.c.journal_id, parts.c.sequence)
        statement = statement.order_by(None).order_by(*(each.desc() for each in order))
    if search.lot:
        windows = connection.execute(
            select(lot_stations.c.station_id, lot_stations.c.began_us, lot_stations.c.ended_us)
            .join(lots, lots.c.id == lot_stations.c.lot_id)
            .where(lots.c.lot == search.lot)
            .limit(500)
        ).all()
        statement = statement.where(
            or_(
                *(
                    and_(
                        parts.c.station_id == station_id,
                        parts.c.at_us >= began_us,
                        *([] if ended_us is None else [parts.c.at_us < ended_us]),
                    )
                    for station_id, began_us, ended_us in windows
                ),
                parts.c.station_id == -1,  # a lot without windows has no parts
            )
        )
    if after is not None:
        key = tuple_(parts.c.at_us, parts.c.journal_id, parts.c.sequence)
        statement = statement.where(
            parts.c.at_us <= after.at_us,  # the index
            key < tuple_(*map(_literal, (after.at_us, after.journal_id, after.sequence))),
        )
    return statement


def _literal(value: int) -> Any:
    from sqlalchemy import BigInteger, literal

    return literal(value, BigInteger)
