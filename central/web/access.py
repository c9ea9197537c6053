"""The access that a route declares: a permission, a login, or none.

A route takes the caller by ``Annotated[Caller, require(Permission.SEE_PARTS)]``, or names the
permission alone by ``dependencies=[require(Permission.SEE_PARTS)]``. A path parameter ``station``
is compared with the scope of the caller. Where a route lists stations, it keeps those of
``caller.stations(permission)``. ``check_routes`` refuses an application with a route that declares
nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from central.access.caller import LOCAL, Caller
from central.access.permissions import Permission
from central.access.sessions import TOKEN_PREFIX, Client, SessionLimits, find_session, find_token
from central.config.web import WebConfig
from central.web.context import WebContext
from edge.bundle import MAX_BYTES

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
MAX_FORM_BYTES = MAX_BYTES + (1 << 20)
"""A longer form is refused before it is read. The largest one has a bundle."""

_SAFE = ("GET", "HEAD", "OPTIONS")
_MINUTE_US = 60_000_000
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class NotLoggedInError(Exception):
    """The request has no valid session or token."""


def session_cookie(web: WebConfig) -> str:
    """Return the name of the cookie. Browsers bind ``__Host-`` to HTTPS and to this server."""
    return "__Host-outfeed" if web.is_secure else "outfeed"


def session_limits(web: WebConfig) -> SessionLimits:
    """Return the life of sessions."""
    return SessionLimits(web.session_idle_min * _MINUTE_US, web.session_hours * 60 * _MINUTE_US)


def client_of(request: Request) -> Client:
    """Return the address and the program of a client."""
    address = request.client.host if request.client is not None else ""
    return Client(address, request.headers.get("user-agent", ""))


def context_of(request: Request) -> WebContext:
    """Return the context of the application."""
    context = request.app.state.context
    assert isinstance(context, WebContext)
    return context


Context = Annotated[WebContext, Depends(context_of)]
"""The context as an argument of a route."""


def find_caller(request: Request) -> Caller | None:
    """Return the caller of a request; None without a valid session or token. Blocks."""
    context = context_of(request)
    client, now_us = client_of(request), context.now_us()
    if context.web.accounts == "off":
        return LOCAL
    header = request.headers.get("authorization", "")
    if header:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token.startswith(TOKEN_PREFIX):
            return None
        return find_token(context.database, token, client, now_us=now_us)
    token = request.cookies.get(session_cookie(context.web), "")
    if not token:
        return None
    limits = session_limits(context.web)
    return find_session(context.database, token, client, now_us=now_us, limits=limits)


def _logged_in(request: Request) -> Caller:
    caller = find_caller(request)
    if caller is None:
        raise NotLoggedInError
    return caller


async def _checked(request: Request, caller: Annotated[Caller, Depends(_logged_in)]) -> Caller:
    """Return the caller. An unsafe request of a session must have its token for forms."""
    if request.method not in _SAFE and caller.csrf:
        given = request.headers.get(CSRF_HEADER, "")
        if not given and request.headers.get("content-type", "").startswith(_FORMS):
            check_length(request, MAX_FORM_BYTES)
            field = (await request.form()).get(CSRF_FIELD, "")
            given = field if isinstance(field, str) else ""
        if not hmac.compare_digest(given.encode(), caller.csrf.encode()):
            await request.close()
            raise HTTPException(403, "the form is out of date: load the page again")
    return caller


def check_length(request: Request, most: int) -> None:
    """Check the stated length of a body. Raises HTTPException 411 and 413."""
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdecimal()):
        raise HTTPException(411, "expected the length of the body (Content-Length)")
    if len(length) > 12 or int(length) > most:
        raise HTTPException(413, f"expected at most {most} bytes")


class LoginRequirement:
    """The check of a login, as a dependency of FastAPI."""

    def __call__(self, caller: Annotated[Caller, Depends(_checked)]) -> Caller:
        """Return the caller. Raises NotLoggedInError."""
        return caller


class Requirement:
    """The check of one permission, as a dependency of FastAPI."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(
        self, request: Request, caller: Annotated[Caller, Depends(_logged_in)]
    ) -> Caller:
        """Return the caller. Raises HTTPException 403, and 404 for a station out of its scope.

        The form, which may hold a large file, is read after the permission is checked.
        """
        if not caller.may(self.permission):
            raise HTTPException(403, f"this account has no permission {self.permission.value}")
        station: Any = request.path_params.get("station")
        # PostgreSQL stores no NUL, so that a query with one would be an error of the database.
        if station is not None and (
            "\x00" in station or not caller.may_at(self.permission, station)
        ):
            raise HTTPException(404, "there is no station with this name")
        return await _checked(request, caller)


class NoRequirement:
    """The statement that a route needs no login."""

    def __call__(self) -> None:
        """Do nothing."""


def require(permission: Permission) -> Dependency:
    """Return the dependency that checks a permission and gives the Caller."""
    dependency: Dependency = Depends(Requirement(permission))
    return dependency


def require_login() -> Dependency:
    """Return the dependency that checks for a login and gives the Caller."""
    dependency: Dependency = Depends(LoginRequirement())
    return dependency


def open_to_all() -> Dependency:
    """Return the dependency of a route that needs no login."""
    dependency: Dependency = Depends(NoRequirement())
    return dependency


Declared = Requirement | LoginRequirement | NoRequirement


def declared_access(route: APIRoute) -> list[Declared]:
    """Return what a route declares. More than one is possible; each of them is checked."""
    return [
        each.call
        for each in _dependants(route.dependant)
        if isinstance(each.call, Requirement | LoginRequirement | NoRequirement)
    ]


def iterate_routes(app: FastAPI) -> Iterator[BaseRoute]:
    """Yield every route of an application but folders of files, those of its routers too."""
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        # FastAPI keeps a router as one entry where it does not copy its routes.
        router = getattr(route, "original_router", None)
        if router is not None:
            waiting.extend(router.routes)
        elif not (isinstance(route, Mount) and isinstance(route.app, StaticFiles)):
            yield route


def check_routes(app: FastAPI) -> None:
    """Check that every route declares its access. Raises RuntimeError with those that do not."""
    missing = [
        getattr(route, "path", type(route).__name__)
        for route in iterate_routes(app)
        if not (isinstance(route, APIRoute) and declared_access(route))
    ]
    if missing:
        raise RuntimeError(f"routes without a declared permission: {', '.join(missing)}")


def _dependants(dependant: Dependant) -> Iterator[Dependant]:
    for each in dependant.dependencies:
        yield each
        yield from _dependants(each)
