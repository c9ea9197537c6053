"""The JSON API. Its description is served as /openapi.json."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

import edge
from central.access.caller import Caller
from central.access.permissions import Permission
from central.store.queries import (
    PartDetail,
    PartSummary,
    StationSummary,
    has_station,
    read_part,
    read_parts,
)
from central.web.access import open_to_all, require
from central.web.context import WebContext, read_stations
from edge.records import Decision

_MAX_US = 1 << 60
_MAX_PART = (1 << 63) - 1

SeesStations = Annotated[Caller, require(Permission.SEE_STATIONS)]
LimitQuery = Annotated[int, Query(ge=1, le=500, description="the largest number of parts")]
BeforeQuery = Annotated[
    int | None,
    Query(ge=0, le=_MAX_US, description="only parts before this time, in µs since 1970 UTC"),
]
DecisionsQuery = Annotated[
    list[Decision] | None, Query(description="only parts with one of these decisions")
]


def find_parts(
    context: WebContext,
    station: str,
    before_us: int | None,
    decisions: list[Decision],
    limit: int,
) -> tuple[PartSummary, ...]:
    """Return the latest parts of a station. Raises HTTPException 404 for an unknown station."""
    with context.database.read() as connection:
        if not has_station(connection, station):
            raise HTTPException(404, "there is no station with this name")
        return read_parts(
            connection, station, before_us=before_us, decisions=decisions, limit=limit
        )


def find_part(context: WebContext, station: str, part_id: int) -> tuple[PartDetail, ...]:
    """Return the parts with a number. Raises HTTPException 404 where there is none."""
    found: tuple[PartDetail, ...] = ()
    if abs(part_id) <= _MAX_PART:
        with context.database.read() as connection:
            found = read_part(connection, station, part_id)
    if not found:
        raise HTTPException(404, "there is no part with this number")
    return found


def make_api(context: WebContext) -> APIRouter:
    """Return the routes below /api."""
    router = APIRouter(prefix="/api")

    @router.get("/health", tags=["central"], dependencies=[open_to_all()])
    def health() -> dict[str, str]:
        """State whether the database can be read."""
        with context.database.read() as connection:
            has_station(connection, "")
        return {"status": "ok", "version": edge.__version__}

    @router.get("/stations", tags=["stations"])
    def stations(caller: SeesStations) -> tuple[StationSummary, ...]:
        """Return the state of every station, with its figures of the last hour."""
        view = caller.stations(Permission.SEE_STATIONS)
        return read_stations(context.database, context.now_us(), view)

    @router.get(
        "/stations/{station}/parts", tags=["parts"], dependencies=[require(Permission.SEE_PARTS)]
    )
    def parts(
        station: str,
        before: BeforeQuery = None,
        decision: DecisionsQuery = None,
        limit: LimitQuery = 50,
    ) -> tuple[PartSummary, ...]:
        """Return the latest parts of a station, newest first."""
        return find_parts(context, station, before, decision or [], limit)

    @router.get(
        "/stations/{station}/parts/{part_id}",
        tags=["parts"],
        dependencies=[require(Permission.SEE_PARTS)],
    )
    def part(station: str, part_id: int) -> tuple[PartDetail, ...]:
        """Return a part with its defects, the actions of the ejector, and marks.

        Several parts have one number where the storage card of a station was copied.
        """
        return find_part(context, station, part_id)

    return router
