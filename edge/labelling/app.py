"""The web application: routes, the page, and errors as one line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape
from string import Template
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from edge.errors import OutfeedError
from edge.labelling.errors import ConflictError, UnknownPictureError
from edge.labelling.guard import Access, PageGuard
from edge.labelling.requests import (
    BeatRequest,
    KindRequest,
    LoginRequest,
    NextRequest,
    OpenRequest,
    SaveRequest,
    SessionRequest,
)
from edge.labelling.service import LabelService, Reply
from edge.validation_messages import describe, one_line
from edge.web.files import PageFiles

_log = logging.getLogger(__name__)
_Model = TypeVar("_Model", bound=BaseModel)
_PAGE = PageFiles("edge.labelling")


def make_app(service: LabelService, access: Access) -> Starlette:
    """Return the application of one folder. Its answers block in threads of the framework."""
    routes = [
        *_entrance(service, access),
        _PAGE.route(),
        *_readings(service),
        _change("/api/next", NextRequest, service.next_picture),
        _change("/api/open", OpenRequest, service.open),
        _change("/api/save", SaveRequest, service.save),
        _change("/api/kind", KindRequest, service.add_kind),
        _change("/api/beat", BeatRequest, service.beat),
        _change("/api/leave", SessionRequest, service.leave),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(PageGuard, access=access)],
        exception_handlers={
            ConflictError: _conflict,
            UnknownPictureError: _not_found,
            OutfeedError: _failed,
            _InvalidRequestError: _invalid,
        },
    )


def _entrance(service: LabelService, access: Access) -> list[Route]:
    """Return the routes of the page itself and of the code."""

    async def page(request: Request) -> Response:
        admitted = access.is_admitted(request.headers.get("cookie", ""))
        code = request.query_params.get("code", "")
        if not admitted and not access.knows(code):
            return HTMLResponse(_PAGE.text("login.html"), 403)
        response = HTMLResponse(
            Template(_PAGE.text("index.html")).substitute(
                token=escape(access.token), folder=escape(service.store.folder.root.name)
            )
        )
        if not admitted:
            access.admit(response)
        return response

    async def login(request: Request) -> Response:
        asked = await _read(LoginRequest, request)
        if not access.knows(asked.code.strip()):
            return JSONResponse({"error": "this is not the code that the command printed"}, 403)
        response = JSONResponse({"token": access.token})
        access.admit(response)
        return response

    return [Route("/", page), Route("/login", login, methods=["POST"])]


def _readings(service: LabelService) -> list[Route]:
    """Return the routes that change nothing."""

    def about(_: Request) -> Response:
        return JSONResponse(service.about())

    def listed(_: Request) -> Response:
        return JSONResponse(service.pictures())

    def proposal(request: Request) -> Response:
        return JSONResponse(service.proposal(_named(request)))

    def picture(request: Request) -> Response:
        data, kind = service.picture(_named(request))
        return Response(data, media_type=kind)

    def severity(request: Request) -> Response:
        return Response(service.severity_png(_named(request)), media_type="image/png")

    return [
        Route("/picture", picture),
        Route("/severity", severity),
        Route("/api/about", about),
        Route("/api/pictures", listed),
        Route("/api/proposal", proposal),
    ]


def _change(path: str, model: type[_Model], answer: Callable[[_Model], Reply]) -> Route:
    """Return the route of a change. Its request is checked against the model."""

    async def endpoint(request: Request) -> Response:
        asked = await _read(model, request)
        return JSONResponse(await run_in_threadpool(answer, asked))

    return Route(path, endpoint, methods=["POST"])


class _InvalidRequestError(OutfeedError):
    """A request is not as expected."""


async def _read(model: type[_Model], request: Request) -> _Model:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise _InvalidRequestError(describe(error)) from error


def _named(request: Request) -> str:
    return request.query_params.get("name", "")


async def _conflict(_: Request, error: Exception) -> Response:
    assert isinstance(error, ConflictError)
    return JSONResponse({"error": one_line(error), "by": error.by, "utc": error.utc}, 409)


async def _not_found(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": one_line(error)}, 404)


async def _invalid(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": one_line(error)}, 400)


async def _failed(_: Request, error: Exception) -> Response:
    _log.warning("label_failed reason=%s", error)
    return JSONResponse({"error": one_line(error)}, 422)
