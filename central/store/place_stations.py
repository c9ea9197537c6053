"""The stations of each plant and line, by name."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from central.store.access_tables import lines, plants, station_lines


def read_place_stations(connection: Connection) -> Mapping[str, frozenset[str]]:
    """Return the names of the stations of each place.

    A place is PLANT or PLANT/LINE; no name has a slash. Lines without stations are left out.
    """
    rows = connection.execute(
        select(plants.c.name, lines.c.name, station_lines.c.station)
        .join(lines, lines.c.plant_id == plants.c.id)
        .join(station_lines, station_lines.c.line_id == lines.c.id)
    )
    found: dict[str, set[str]] = {}
    for plant, line, station in rows:
        found.setdefault(plant, set()).add(station)
        found.setdefault(f"{plant}/{line}", set()).add(station)
    return {place: frozenset(names) for place, names in sorted(found.items())}


def places_within(connection: Connection, names: frozenset[str]) -> tuple[str, ...]:
    """Return the places of which every station is one of ``names``."""
    places = read_place_stations(connection)
    return tuple(place for place, own in places.items() if own <= names)


def covers(place: str, other: str) -> bool:
    """Return whether a place is another one, or the plant of another one."""
    return place == other or other.startswith(f"{place}/")
