"""The pages in HTML, and the server-sent events of the wall."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from central.web.api import BeforeQuery, find_part, find_parts
from central.web.context import WebContext, read_stations
from edge.records import Decision

PARTS_PER_PAGE = 50


def make_pages(context: WebContext) -> APIRouter:
    """Return the routes of the pages. They are no part of the API."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    def wall() -> HTMLResponse:
        return context.page("wall.html", stations=read_stations(context.database, context.now_us()))

    @router.get("/live/wall", response_class=EventSourceResponse)
    async def live_wall() -> AsyncIterator[ServerSentEvent]:
        async for text in context.live.watch():
            yield ServerSentEvent(event="wall", raw_data=text)

    @router.get("/stations/{station}")
    def station_parts(
        station: str, before: BeforeQuery = None, every: bool = False
    ) -> HTMLResponse:
        decisions = [] if every else [Decision.REJECT, Decision.UNKNOWN]
        found = find_parts(context, station, before, decisions, PARTS_PER_PAGE)
        return context.page("station.html", station=station, parts=found, every=every)

    @router.get("/stations/{station}/parts/{part_id}")
    def part(station: str, part_id: int) -> HTMLResponse:
        found = find_part(context, station, part_id)
        return context.page("part.html", station=station, found=found)

    return router
