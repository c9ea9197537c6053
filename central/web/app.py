"""The application: pages, JSON API, live wall and files."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from starlette.responses import JSONResponse, Response

import edge
from central.store.database import Database, StoreError
from central.web.api import make_api
from central.web.context import WebContext
from central.web.guard import HostGuard
from central.web.plant.alarm_pages import make_alarm_pages
from central.web.plant.api import make_plant_api
from central.web.plant.errors import add_error_pages
from central.web.plant.lot_pages import make_lot_pages
from central.web.plant.metrics import make_metrics
from central.web.plant.part_pages import make_part_pages
from central.web.plant.station_pages import make_station_pages
from central.web.routes import make_pages

_STATIC = Path(__file__).parent / "static"


def _system_clock() -> int:
    return time.time_ns() // 1000


def make_app(database: Database, *, now_us: Callable[[], int] = _system_clock) -> FastAPI:
    """Return the application. The thread of its live wall runs between startup and shutdown.

    now_us: the clock, in microseconds since 1970 UTC.
    """
    context = WebContext.make(database, now_us)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context.live.start()
        try:
            yield
        finally:
            context.live.close()

    app = FastAPI(
        title="Outfeed central",
        version=edge.__version__,
        description="Stations and parts of a plant.",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.context = context
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.include_router(make_api(context))
    app.include_router(make_pages(context))
    makers = (
        make_plant_api,
        make_metrics,
        make_station_pages,
        make_part_pages,
        make_lot_pages,
        make_alarm_pages,
    )
    for make in makers:
        app.include_router(make(context))
    add_error_pages(app, context)
    app.add_middleware(HostGuard)
    app.add_exception_handler(StoreError, _database_lost)
    return app


async def _database_lost(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "the database cannot be read now"}, 503)
