"""The journal of a part, and the outlines of its defects, from its event as it was received."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from central.store.tables import events, journals, parts, stations
from edge.errors import OutfeedError
from edge.events.event import PartEvent
from edge.events.identity import parse_payload

Polygon = tuple[tuple[int, int], ...]

_MOST_PX = 1 << 20


@dataclass(frozen=True, slots=True)
class PartEvidence:
    """The identity by which pictures are found, and what can be drawn without one.

    journal: UUID of the journal of the station. outlines: polygons of all defects, in pixels of the
    frame; empty where the event is no longer kept.
    """

    journal: str
    outlines: tuple[Polygon, ...]


def read_evidence(connection: Connection, station: str, part_id: int) -> PartEvidence | None:
    """Return the evidence on the newest part with this number; None where there is no part."""
    row = connection.execute(
        select(journals.c.uuid, events.c.payload)
        .select_from(parts)
        .join(stations, stations.c.id == parts.c.station_id)
        .join(journals, journals.c.id == parts.c.journal_id)
        .join(
            events,
            and_(
                events.c.received_us == parts.c.received_us,
                events.c.journal_id == parts.c.journal_id,
                events.c.run == parts.c.run,
                events.c.sequence == parts.c.sequence,
            ),
            isouter=True,
        )
        .where(stations.c.name == station, parts.c.part_id == part_id)
        .order_by((parts.c.at_us + 0).desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return PartEvidence(row[0], () if row[1] is None else _outlines(bytes(row[1])))


def _outlines(payload: bytes) -> tuple[Polygon, ...]:
    try:
        _, event = parse_payload(payload)
    except OutfeedError:
        return ()
    if not isinstance(event, PartEvent):
        return ()
    polygons = (polygon for defect in event.defects for polygon in defect.outline)
    return tuple(polygon for polygon in polygons if all(map(_is_plausible, polygon)))


def _is_plausible(point: tuple[int, int]) -> bool:
    return 0 <= point[0] <= _MOST_PX and 0 <= point[1] <= _MOST_PX
