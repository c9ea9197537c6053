"""The pages in HTML, and the server-sent events of the wall."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from central.access.permissions import Permission
from central.web.access import find_caller
from central.web.api import SeesStations
from central.web.context import WebContext, read_firing, read_stations

RECHECK_US = 15_000_000
"""The time after which a live page looks at the rights of its reader again."""


def make_pages(context: WebContext) -> APIRouter:
    """Return the routes of the pages. They are no part of the API."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @router.get("/")
    def wall(caller: SeesStations) -> HTMLResponse:
        view = caller.stations(Permission.SEE_STATIONS)
        stations = read_stations(context.database, context.now_us(), view)
        alarms = read_firing(context.database, view)
        return context.page("wall.html", caller, stations=stations, alarms=alarms)

    @router.get("/live/wall", response_class=EventSourceResponse)
    async def live_wall(request: Request, caller: SeesStations) -> AsyncIterator[ServerSentEvent]:
        view = caller.stations(Permission.SEE_STATIONS)
        checked_us = context.now_us()
        async for text in context.live.watch(view):
            if abs(context.now_us() - checked_us) > RECHECK_US:
                checked_us = context.now_us()
                found = await run_in_threadpool(find_caller, request)
                if found is None or found.stations(Permission.SEE_STATIONS) != view:
                    return  # the browser connects again, with its new rights
            yield ServerSentEvent(event="wall", raw_data=text)

    return router
