"""Lots and orders: the times in which stations worked on them, and the parts of a lot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, or_, select, update

from central.store.bulk import inserted_number
from central.store.plant_tables import lot_stations, lots
from central.store.queries import PartCounts
from central.store.rows import storable_text
from central.store.tables import parts, stations
from edge.records import Decision

MAX_NAME_CHARS = 100
_MAX_STATIONS = 500


class LotError(ValueError):
    """A lot that cannot be stored as it is. The text is for the person."""


@dataclass(frozen=True, slots=True)
class LotEntry:
    """The statement of a person or program that stations work on a lot.

    began_us, ended_us: microseconds since 1970 UTC; ended_us None: it lasts.
    """

    lot: str
    stations: tuple[str, ...]
    began_us: int
    ended_us: int | None = None
    order: str = ""
    product: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class LotWindow:
    """A stored entry, with its number and the one who made it."""

    number: int
    entry: LotEntry
    made_by: str
    made_us: int


@dataclass(frozen=True, slots=True)
class LotTrace:
    """The parts of a lot. kinds: rejected parts by the kind of their worst defect."""

    windows: tuple[LotWindow, ...]
    counts: PartCounts
    kinds: dict[str, int]
    reasons: dict[str, int]


def begin_lot(connection: Connection, entry: LotEntry, by: str, now_us: int) -> int:
    """Store an entry and return its number. A station ends the lot that it worked on before.

    A later entry of a station cuts earlier ones: no moment of a station belongs to two lots.
    Raises LotError for an entry without a lot or stations, for an end before the beginning, and
    where the time of the entry is inside another lot of the station.
    """
    numbers = _check(connection, entry)
    for name, number in numbers.items():
        _make_room(connection, name, number, entry)
    values = {
        "lot": storable_text(entry.lot, MAX_NAME_CHARS),
        "order_name": storable_text(entry.order, MAX_NAME_CHARS),
        "product": storable_text(entry.product, MAX_NAME_CHARS),
        "note": storable_text(entry.note),
        "began_us": entry.began_us,
        "ended_us": entry.ended_us,
        "made_by": by,
        "made_us": now_us,
    }
    lot_id = inserted_number(connection.execute(lots.insert().values(values)))
    times = {"lot_id": lot_id, "began_us": entry.began_us, "ended_us": entry.ended_us}
    connection.execute(
        lot_stations.insert(), [{"station_id": each, **times} for each in numbers.values()]
    )
    return lot_id


def end_lot(connection: Connection, number: int, ended_us: int) -> None:
    """End a lot that lasts. Raises LotError for another one, or an end before the beginning."""
    row = connection.execute(
        select(lots.c.began_us, lots.c.ended_us).where(lots.c.id == number)
    ).first()
    if row is None:
        raise LotError("there is no lot with this number")
    if row[1] is not None:
        raise LotError("this lot has ended already")
    if ended_us <= row[0]:
        raise LotError("the end is before the beginning")
    connection.execute(update(lots).where(lots.c.id == number).values(ended_us=ended_us))
    connection.execute(
        update(lot_stations)
        .where(lot_stations.c.lot_id == number, lot_stations.c.ended_us.is_(None))
        .values(ended_us=ended_us)
    )


def end_lot_at(
    connection: Connection, lot: str, names: Collection[str], ended_us: int
) -> tuple[int, ...]:
    """End a lot by its name at stations where it lasts, and return the numbers of its entries.

    Other stations of an entry go on. Raises LotError where the lot lasts at none of the stations,
    and for an end before the beginning.
    """
    statement = (
        select(lot_stations.c.lot_id, lot_stations.c.station_id, lot_stations.c.began_us)
        .join(lots, lots.c.id == lot_stations.c.lot_id)
        .join(stations, stations.c.id == lot_stations.c.station_id)
        .where(
            lots.c.lot == lot, stations.c.name.in_(sorted(names)), lot_stations.c.ended_us.is_(None)
        )
    )
    lasting = connection.execute(statement).all()
    if not lasting:
        raise LotError(f"no station of the statement works on lot '{lot}' now")
    if any(ended_us <= each.began_us for each in lasting):
        raise LotError("the end is before the beginning")
    for each in lasting:
        _end_at_station(connection, each.lot_id, each.station_id, ended_us)
    return tuple(sorted({each.lot_id for each in lasting}))


def remove_lot(connection: Connection, number: int) -> None:
    """Remove an entry that was made by mistake. Parts are not changed. Raises LotError."""
    connection.execute(delete(lot_stations).where(lot_stations.c.lot_id == number))
    if not connection.execute(delete(lots).where(lots.c.id == number)).rowcount:
        raise LotError("there is no lot with this number")


def read_lots(
    connection: Connection,
    *,
    names: frozenset[str] | None = None,
    lot: str = "",
    number: int | None = None,
    is_open: bool = False,
    limit: int = 100,
) -> tuple[LotWindow, ...]:
    """Return entries, latest first. names: only with one of these stations; None: all.

    lot: only of this lot. number: only this entry. is_open: only those that last.
    """
    statement = select(lots).order_by(lots.c.began_us.desc(), lots.c.id.desc()).limit(limit)
    if lot:
        statement = statement.where(lots.c.lot == lot)
    if number is not None:
        statement = statement.where(lots.c.id == number)
    if is_open:
        statement = statement.where(lots.c.ended_us.is_(None))
    if names is not None:
        own = (
            select(lot_stations.c.lot_id)
            .join(stations, stations.c.id == lot_stations.c.station_id)
            .where(stations.c.name.in_(sorted(names)))
        )
        statement = statement.where(lots.c.id.in_(own))
    rows = connection.execute(statement).mappings().all()
    members = _members(connection, [row["id"] for row in rows])
    return tuple(
        LotWindow(
            row["id"],
            LotEntry(
                row["lot"],
                members.get(row["id"], ()),
                row["began_us"],
                row["ended_us"],
                row["order_name"],
                row["product"],
                row["note"],
            ),
            row["made_by"],
            row["made_us"],
        )
        for row in rows
    )


def read_lot_of(connection: Connection, station: str, at_us: int) -> str:
    """Return the lot that a station worked on at a time; empty where none is known."""
    statement = (
        select(lots.c.lot)
        .join(lot_stations, lot_stations.c.lot_id == lots.c.id)
        .join(stations, stations.c.id == lot_stations.c.station_id)
        .where(
            stations.c.name == station,
            lot_stations.c.began_us <= at_us,
            or_(lot_stations.c.ended_us.is_(None), lot_stations.c.ended_us > at_us),
        )
        .order_by(lot_stations.c.began_us.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar() or ""


def trace_lot(connection: Connection, lot: str, names: frozenset[str] | None) -> LotTrace:
    """Return the parts of a lot, counted one by one at the stations of ``names`` (None: all).

    Takes time with their number: about a second for a million parts.
    """
    windows = read_lots(connection, names=names, lot=lot)
    totals = dict.fromkeys((each.value for each in Decision), 0)
    kinds: dict[str, int] = {}
    reasons: dict[str, int] = {}
    for station_id, began_us, ended_us in _times(connection, lot, names):
        inside = [parts.c.station_id == station_id, parts.c.at_us >= began_us]
        if ended_us is not None:
            inside.append(parts.c.at_us < ended_us)
        by_decision = (
            select(parts.c.decision, func.count()).where(*inside).group_by(parts.c.decision)
        )
        for decision, count in connection.execute(by_decision):
            totals[decision] = totals.get(decision, 0) + int(count)
        causes = (
            select(parts.c.decision, parts.c.kind, parts.c.reason, func.count())
            .where(*inside, parts.c.decision != Decision.PASS.value)
            .group_by(parts.c.decision, parts.c.kind, parts.c.reason)
            .order_by(func.count().desc())
            .limit(1_000)
        )
        for decision, kind, reason, count in connection.execute(causes):
            found = kinds if decision == Decision.REJECT.value and kind else reasons
            name = kind or reason
            found[name] = found.get(name, 0) + int(count)
    counts = PartCounts(sum(totals.values()), totals["PASS"], totals["REJECT"], totals["UNKNOWN"])
    return LotTrace(windows, counts, kinds, reasons)


def _times(
    connection: Connection, lot: str, names: frozenset[str] | None
) -> Sequence[tuple[int, int, int | None]]:
    statement = (
        select(lot_stations.c.station_id, lot_stations.c.began_us, lot_stations.c.ended_us)
        .join(lots, lots.c.id == lot_stations.c.lot_id)
        .join(stations, stations.c.id == lot_stations.c.station_id)
        .where(lots.c.lot == lot)
        .limit(_MAX_STATIONS)
    )
    if names is not None:
        statement = statement.where(stations.c.name.in_(sorted(names)))
    return [(row[0], row[1], row[2]) for row in connection.execute(statement)]


def _check(connection: Connection, entry: LotEntry) -> dict[str, int]:
    """Return the numbers of the stations. Raises LotError."""
    if not entry.lot.strip():
        raise LotError("a lot has a name")
    if not entry.stations:
        raise LotError("choose at least one station")
    if entry.ended_us is not None and entry.ended_us <= entry.began_us:
        raise LotError("the end is before the beginning")
    # PostgreSQL locks the rows, so that two entries at one time do not overlap.
    rows = connection.execute(
        select(stations.c.name, stations.c.id)
        .where(stations.c.name.in_(entry.stations))
        .order_by(stations.c.id)
        .with_for_update()
    )
    numbers = {row[0]: int(row[1]) for row in rows}
    missing = sorted(set(entry.stations) - numbers.keys())
    if missing:
        raise LotError(f"there is no station '{missing[0][:63]}'")
    return dict(sorted(numbers.items()))


def _make_room(connection: Connection, name: str, station_id: int, entry: LotEntry) -> None:
    """End what the station worked on at the beginning of the entry. Raises LotError."""
    own = lot_stations.c.station_id == station_id
    later = select(func.min(lot_stations.c.began_us)).where(
        own, lot_stations.c.began_us >= entry.began_us
    )
    next_us = connection.execute(later).scalar()
    if next_us is not None and (entry.ended_us is None or entry.ended_us > next_us):
        raise LotError(f"{name} works on another lot in this time")
    before = lot_stations.c.began_us < entry.began_us
    overlaps = connection.execute(
        select(lot_stations.c.lot_id, lot_stations.c.ended_us).where(
            own,
            before,
            or_(lot_stations.c.ended_us.is_(None), lot_stations.c.ended_us > entry.began_us),
        )
    ).all()
    if any(each[1] is not None for each in overlaps):
        raise LotError(f"{name} works on another lot in this time")
    for lot_id, _ in overlaps:
        _end_at_station(connection, lot_id, station_id, entry.began_us)


def _end_at_station(connection: Connection, lot_id: int, station_id: int, ended_us: int) -> None:
    """End a lot at one station. The entry itself ends with its last station."""
    connection.execute(
        update(lot_stations)
        .where(lot_stations.c.lot_id == lot_id, lot_stations.c.station_id == station_id)
        .values(ended_us=ended_us)
    )
    lasting = select(func.count()).where(
        lot_stations.c.lot_id == lot_id, lot_stations.c.ended_us.is_(None)
    )
    if not connection.execute(lasting).scalar():
        last = select(func.max(lot_stations.c.ended_us)).where(lot_stations.c.lot_id == lot_id)
        connection.execute(
            update(lots).where(lots.c.id == lot_id).values(ended_us=last.scalar_subquery())
        )


def _members(connection: Connection, numbers: Collection[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    statement = (
        select(lot_stations.c.lot_id, stations.c.name)
        .join(stations, stations.c.id == lot_stations.c.station_id)
        .where(lot_stations.c.lot_id.in_(numbers))
        .order_by(stations.c.name)
    )
    for lot_id, name in connection.execute(statement):
        found.setdefault(lot_id, []).append(name)
    return {lot_id: tuple(names) for lot_id, names in found.items()}
