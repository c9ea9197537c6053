"""The refusal of wrong parameters: one line on a page for people, one line of JSON for programs."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response

from central.web.access import context_of
from edge.validation_messages import printable

_STATUS = 422
_MOST_CHARS = 300


async def refuse_wrong_values(request: Request, error: Exception) -> Response:
    """Return status 422 with the first wrong parameter or key, and what was expected."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(each) for each in first["loc"][1:])
    detail = printable(f"{name}: {first['msg']}" if name else str(first["msg"]))[:_MOST_CHARS]
    is_person = "text/html" in request.headers.get("accept", "")
    if request.url.path.startswith("/api/") or not is_person:
        return JSONResponse({"detail": detail}, _STATUS)
    return context_of(request).page("refused.html", status=_STATUS, detail=detail)
