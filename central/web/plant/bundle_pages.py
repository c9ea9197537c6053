"""The page of bundles, and its part of the JSON API."""

from __future__ import annotations

from threading import Lock
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from central.access.caller import Caller
from central.access.permissions import Permission
from central.bundles.folder import BundleFolder
from central.bundles.uploads import record_removal, record_upload
from central.store.bundles import StoredBundle, read_bundles
from central.web.access import require
from central.web.context import RowNumber, WebContext
from central.web.plant.forms import audited_step, see_other
from central.web.uploads import FileBody, FileForm
from edge.errors import OutfeedError

SeesRollouts = Annotated[Caller, require(Permission.SEE_ROLLOUTS)]
Uploads = Annotated[Caller, require(Permission.UPLOAD_BUNDLES)]

_OCTETS = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
# A bundle is checked in memory, so only one at a time.
_checking = Lock()


def make_bundle_pages(context: WebContext) -> APIRouter:
    """Return the routes of bundles: pages for people, and JSON for programs."""
    router = APIRouter()

    @router.get("/api/bundles", tags=["rollouts"])
    def listed(caller: SeesRollouts) -> tuple[StoredBundle, ...]:
        """Return the bundles that rollouts can take, newest first."""
        with context.database.read() as connection:
            return read_bundles(connection)

    @router.post(
        "/api/bundles",
        tags=["rollouts"],
        status_code=201,
        openapi_extra={"requestBody": {"content": _OCTETS, "required": True}},
    )
    def upload(caller: Uploads, data: FileBody) -> dict[str, int]:
        """Take a signed bundle, and return its number."""
        return {"number": _upload(context, caller, data)}

    @router.get("/bundles", include_in_schema=False, response_class=HTMLResponse)
    def bundles_page(caller: SeesRollouts) -> HTMLResponse:
        return _page(context, caller)

    @router.post("/bundles", include_in_schema=False, response_class=HTMLResponse)
    def upload_on_page(caller: Uploads, data: FileForm) -> Response:
        try:
            _upload(context, caller, data)
        except HTTPException as error:
            return _page(context, caller, str(error.detail), error.status_code)
        return see_other("/bundles")

    @router.post("/bundles/{number}/remove", include_in_schema=False, response_class=HTMLResponse)
    def remove_on_page(caller: Uploads, number: RowNumber) -> Response:
        try:
            _remove(context, caller, number)
        except HTTPException as error:
            return _page(context, caller, str(error.detail), error.status_code)
        return see_other("/bundles")

    return router


def _upload(context: WebContext, caller: Caller, data: bytes) -> int:
    folder = _folder(context)
    if not _checking.acquire(blocking=False):
        raise HTTPException(503, "another bundle is being checked; try again", {"retry-after": "5"})
    try:
        kept = folder.add(data)
    except OutfeedError as error:
        raise HTTPException(422, f"the bundle {error}") from error
    finally:
        _checking.release()
    return audited_step(context, caller, lambda change: record_upload(change, kept, len(data)))


def _remove(context: WebContext, caller: Caller, number: int) -> None:
    folder = _folder(context)
    # The file goes last: a row without a file would be offered to rollouts.
    folder.remove(audited_step(context, caller, lambda change: record_removal(change, number)))


def _folder(context: WebContext) -> BundleFolder:
    if context.bundles is None:
        raise HTTPException(422, "this system has no folder of bundles: bundles.path is missing")
    return context.bundles


def _page(context: WebContext, caller: Caller, fault: str = "", status: int = 422) -> HTMLResponse:
    with context.database.read() as connection:
        found = read_bundles(connection)
    return context.page(
        "bundles.html",
        caller,
        status if fault else 200,
        bundles=found,
        has_folder=context.bundles is not None,
        fault=fault,
    )
