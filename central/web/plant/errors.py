"""Errors of the pages: one line on a page for people, one line of JSON for programs."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from central.web.context import WebContext

_HEADINGS = {403: "Not permitted", 404: "Not found", 422: "This cannot be done"}
_JSON_PATHS = ("/api/", "/health/", "/metrics", "/openapi.json", "/static/")


def add_error_pages(app: FastAPI, context: WebContext) -> None:
    """Answer errors of pages with a page. The API keeps its JSON."""

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _answer(context, request, error.status_code, str(error.detail), error.headers)

    async def on_wrong(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        name = ".".join(str(each) for each in first["loc"][1:])
        return _answer(context, request, 422, f"{name}: {first['msg']}", None)

    app.add_exception_handler(HTTPException, on_error)
    app.add_exception_handler(RequestValidationError, on_wrong)


def _answer(
    context: WebContext, request: Request, status: int, reason: str, headers: object
) -> Response:
    sent = dict(headers) if isinstance(headers, dict) else None
    if request.url.path.startswith(_JSON_PATHS):
        return JSONResponse({"detail": reason}, status, sent)
    page = context.page("error.html", heading=_HEADINGS.get(status, "Error"), reason=reason)
    page.status_code = status
    page.headers.update(sent or {})
    return page
