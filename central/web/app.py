"""The application: pages, JSON API, live wall and files."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import edge
from central.access.openid import OpenIdClient
from central.bundles.folder import BundleFolder
from central.config.openid import OpenIdConfig
from central.config.web import WebConfig
from central.pictures.archive import PictureArchive
from central.store.database import Database, StoreError, is_temporary
from central.web import account_pages, admin_pages, line_pages, login, request_pages
from central.web.access import NotLoggedInError, check_routes, context_of, require_login
from central.web.access_api import make_access_api
from central.web.api import make_api
from central.web.context import WebContext
from central.web.guard import HostGuard
from central.web.plant.alarm_pages import make_alarm_pages
from central.web.plant.api import make_plant_api
from central.web.plant.bundle_pages import make_bundle_pages
from central.web.plant.command_pages import make_command_pages
from central.web.plant.errors import refuse_wrong_values
from central.web.plant.lot_pages import make_lot_pages
from central.web.plant.metrics import make_metrics
from central.web.plant.part_pages import make_part_pages
from central.web.plant.rollout_api import make_rollout_api
from central.web.plant.rollout_pages import make_rollout_pages
from central.web.plant.station_pages import make_station_pages
from central.web.plant.update_pages import make_update_pages
from central.web.routes import make_pages

_STATIC = Path(__file__).parent / "static"
_PLANT = (
    make_plant_api,
    make_metrics,
    make_station_pages,
    make_part_pages,
    make_lot_pages,
    make_alarm_pages,
    make_command_pages,
    make_bundle_pages,
    make_rollout_api,
    make_rollout_pages,
    make_update_pages,
)
LOCAL_WEB = WebConfig(accounts="off")
"""The pages of one machine, without accounts."""


def _system_clock() -> int:
    return time.time_ns() // 1000


def make_app(
    database: Database,
    *,
    web: WebConfig = LOCAL_WEB,
    openid: OpenIdConfig | None = None,
    pictures: PictureArchive | None = None,
    bundles: BundleFolder | None = None,
    now_us: Callable[[], int] = _system_clock,
) -> FastAPI:
    """Return the application. The thread of its live wall runs between startup and shutdown.

    web: how people log in; by default only this machine reaches the pages, without a login.
    pictures: the received pictures; None: there are none. bundles: the folder of bundles; None:
    there is none. now_us: the clock, in microseconds since 1970 UTC.
    """
    client = None if openid is None else OpenIdClient(openid)
    context = WebContext.make(database, now_us, web, client, pictures, bundles)

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
        openapi_url=None,  # served below, to people who are logged in
        lifespan=lifespan,
    )

    @app.get("/openapi.json", include_in_schema=False, dependencies=[require_login()])
    def description() -> dict[str, Any]:
        return app.openapi()

    app.state.context = context
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    for router in (make_api(context), make_access_api(context), make_pages(context)):
        app.include_router(router)
    for module in (login, account_pages, admin_pages, line_pages, request_pages):
        app.include_router(module.router)
    for make in _PLANT:
        app.include_router(make(context))
    check_routes(app)
    # The last one added is the first one that a request meets.
    if web.behind_proxy:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(web.proxies))
    app.add_middleware(HostGuard, web=web)
    app.add_exception_handler(StoreError, _database_lost)
    app.add_exception_handler(DBAPIError, _database_failed)
    app.add_exception_handler(NotLoggedInError, _not_logged_in)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, refuse_wrong_values)
    return app


def _is_api(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/openapi.json", "/live/"))


async def _database_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, DBAPIError)
    if is_temporary(error):
        return await _database_lost(request, error)
    return JSONResponse({"detail": "a value cannot be stored"}, 422)


async def _database_lost(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "the database cannot be read now"}, 503)


async def _not_logged_in(request: Request, error: Exception) -> Response:
    if _is_api(request) or request.method != "GET":
        return JSONResponse(
            {"detail": "log in, or send a token"}, 401, {"www-authenticate": "Bearer"}
        )
    query = f"?{request.url.query}" if request.url.query else ""
    target = quote(request.url.path + query, safe="")
    return RedirectResponse(f"/login?next={target}", 303)


async def _refused(request: Request, error: Exception) -> Response:
    """Return the refusal as JSON for programs, and as a page for people."""
    assert isinstance(error, HTTPException)
    if _is_api(request) or "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    return context_of(request).page("refused.html", status=error.status_code, detail=error.detail)
