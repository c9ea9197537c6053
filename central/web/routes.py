"""The pages in HTML, and the server-sent events of the wall."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from central.web.context import WebContext, read_stations


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

    return router
