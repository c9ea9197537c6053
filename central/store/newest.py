"""The newest rows of one station in a table of received events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from central.store.tables import stations


def newest_of_station(
    connection: Connection, table: Table, names: Sequence[str], station: str, most: int
) -> list[tuple[Any, ...]]:
    """Return ``most`` rows of a station by the time of reception, the newest first.

    table: with the columns station_id, received_us and sequence. names: the columns of a row, in
    order. Blocks for one statement.
    """
    rows = connection.execute(
        select(*(table.c[name] for name in names))
        .join(stations, stations.c.id == table.c.station_id)
        .where(stations.c.name == station)
        .order_by(table.c.received_us.desc(), table.c.sequence.desc())
        .limit(most)
    )
    return [tuple(row) for row in rows]
