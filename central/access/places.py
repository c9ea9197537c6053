"""Plants, their lines, and the stations of each line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from central.access.audit import Change
from central.access.caller import Place
from central.access.names import check_place_name
from central.store.access_tables import lines, plants, station_lines, user_roles
from central.store.tables import stations
from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a plant, with the names of its stations."""

    line_id: int
    plant_id: int
    plant: str
    name: str
    stations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plant:
    """A plant and its lines."""

    plant_id: int
    name: str
    lines: tuple[Line, ...]


def read_places(connection: Connection) -> Mapping[str, Place]:
    """Return the place of each station that is assigned to a line."""
    statement = select(station_lines.c.station, lines.c.plant_id, lines.c.id).join(
        lines, lines.c.id == station_lines.c.line_id
    )
    return {station: Place(plant, line) for station, plant, line in connection.execute(statement)}


def read_plants(connection: Connection) -> tuple[Plant, ...]:
    """Return all plants by name, with their lines and stations."""
    assigned: dict[int, list[str]] = {}
    for station, line in connection.execute(
        select(station_lines.c.station, station_lines.c.line_id).order_by(station_lines.c.station)
    ):
        assigned.setdefault(line, []).append(station)
    found: dict[int, list[Line]] = {}
    rows = connection.execute(select(plants.c.id, plants.c.name).order_by(plants.c.name))
    names = {row.id: row.name for row in rows}
    for number, plant, name in connection.execute(
        select(lines.c.id, lines.c.plant_id, lines.c.name).order_by(lines.c.name)
    ):
        own = tuple(assigned.get(number, ()))
        found.setdefault(plant, []).append(Line(number, plant, names[plant], name, own))
    return tuple(
        Plant(number, name, tuple(found.get(number, ()))) for number, name in names.items()
    )


def read_unassigned(connection: Connection) -> tuple[str, ...]:
    """Return the names of stations that have no line."""
    statement = (
        select(stations.c.name)
        .where(stations.c.name.not_in(select(station_lines.c.station)))
        .order_by(stations.c.name)
    )
    return tuple(connection.execute(statement).scalars())


def find_place(connection: Connection, plant: str, line: str | None) -> Place:
    """Return the numbers of a plant and a line by their names. Raises UsageError."""
    plant_id = connection.execute(select(plants.c.id).where(plants.c.name == plant)).scalar()
    if plant_id is None:
        raise UsageError(f"there is no plant {plant!r}")
    if line is None:
        return Place(plant_id)
    line_id = connection.execute(
        select(lines.c.id).where(lines.c.plant_id == plant_id, lines.c.name == line)
    ).scalar()
    if line_id is None:
        raise UsageError(f"plant {plant!r} has no line {line!r}")
    return Place(plant_id, line_id)


def add_plant(change: Change, name: str) -> None:
    """Create a plant. Raises UsageError where there is one with this name."""
    name = check_place_name(name)
    if has_place(change.connection, name, None):
        raise UsageError(f"there is a plant {name!r} already")
    change.connection.execute(plants.insert().values(name=name))
    change.record("plant.created", name)


def add_line(change: Change, plant: str, name: str) -> None:
    """Create a line of a plant. Raises UsageError."""
    name = check_place_name(name)
    place = find_place(change.connection, plant, None)
    if has_place(change.connection, plant, name):
        raise UsageError(f"plant {plant!r} has a line {name!r} already")
    change.connection.execute(lines.insert().values(plant_id=place.plant_id, name=name))
    change.record("line.created", f"{plant}/{name}")


def remove_line(change: Change, plant: str, name: str) -> None:
    """Remove a line. Its stations are unassigned. Raises UsageError where a role names it."""
    place = find_place(change.connection, plant, name)
    used = select(user_roles.c.id).where(user_roles.c.line_id == place.line_id).limit(1)
    if change.connection.execute(used).first() is not None:
        raise UsageError(f"line {plant}/{name} is the scope of a role, and cannot be removed")
    change.connection.execute(delete(station_lines).where(station_lines.c.line_id == place.line_id))
    change.connection.execute(delete(lines).where(lines.c.id == place.line_id))
    change.record("line.removed", f"{plant}/{name}")


def assign_station(change: Change, station: str, plant: str | None, line: str | None) -> None:
    """Assign a station to a line. plant, line: None: to no line. Raises UsageError."""
    before = read_places(change.connection).get(station)
    if plant is None or line is None:
        change.connection.execute(delete(station_lines).where(station_lines.c.station == station))
    else:
        if not 0 < len(station) <= 100:
            raise UsageError("the name of a station has 1 to 100 characters")
        place = find_place(change.connection, plant, line)
        is_sqlite = change.connection.dialect.name == "sqlite"
        insert = sqlite.insert if is_sqlite else postgresql.insert
        statement = insert(station_lines).values(station=station, line_id=place.line_id)
        change.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["station"], set_={"line_id": statement.excluded.line_id}
            )
        )
    detail = {
        "before": None if before is None else before.line_id,
        "line": None if plant is None or line is None else f"{plant}/{line}",
    }
    change.record("station.assigned", station, detail)


def has_place(connection: Connection, plant: str, line: str | None) -> bool:
    """Return whether there is a plant, or a line of it, with this name."""
    try:
        find_place(connection, plant, line)
    except UsageError:
        return False
    return True
