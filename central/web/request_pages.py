"""The pages of requests for two people, and of the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from starlette.responses import Response

from central.access.actions import DELETE_DATA, FORGET_COPIES
from central.access.audit import (
    AuditedChange,
    AuditEntry,
    AuditError,
    audited,
    iterate_entries,
    read_entries,
    verify,
)
from central.access.caller import Caller
from central.access.permissions import Permission
from central.rollouts.actions import ALL_REQUESTS
from central.web.access import Context, require, require_login
from central.web.account_pages import actor_of
from central.web.context import RowNumber, WebContext
from edge.errors import UsageError

ENTRIES_PER_PAGE = 100
_SEE_OTHER = 303
_MAX = (1 << 63) - 1

Step = Callable[[AuditedChange], None]
LoggedIn = Annotated[Caller, require_login()]
SeesAudit = Annotated[Caller, require(Permission.SEE_AUDIT)]
DeletesData = Annotated[Caller, require(Permission.DELETE_DATA)]


router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _show(context: WebContext, caller: Caller, fault: str = "") -> HTMLResponse:
    # Each action is listed for those who may ask for it.
    if not any(caller.may_everywhere(each.permission) for each in ALL_REQUESTS.actions.values()):
        raise HTTPException(403, "this account has no permission for any action of two people")
    with context.database.read() as connection:
        found = ALL_REQUESTS.read(connection, caller, context.now_us())
    return context.page(
        "requests.html",
        caller,
        422 if fault else 200,
        requests=found,
        actions=ALL_REQUESTS.actions,
        fault=fault,
    )


@router.get("/requests")
def requests_page(context: Context, caller: LoggedIn) -> Response:
    """Return the page of requests."""
    return _show(context, caller)


@router.post("/requests/{request_id}/approve")
def approve(request_id: RowNumber, context: Context, caller: LoggedIn) -> Response:
    """Run the action of a request."""
    return _decide(context, caller, lambda change: ALL_REQUESTS.approve(change, caller, request_id))


@router.post("/requests/{request_id}/refuse")
def refuse(request_id: RowNumber, context: Context, caller: LoggedIn) -> Response:
    """Refuse or withdraw a request."""
    return _decide(context, caller, lambda change: ALL_REQUESTS.refuse(change, caller, request_id))


@router.post("/requests/deletion")
def ask_for_deletion(
    context: Context,
    caller: DeletesData,
    unit: Annotated[str, Form(max_length=200)] = "",
    before: Annotated[str, Form(max_length=10)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Ask for the deletion of old data of a station."""

    def step(change: AuditedChange) -> None:
        detail = {"before_us": _day_us(before), "before": before}
        ALL_REQUESTS.ask(change, caller, DELETE_DATA.name, unit, detail, reason)

    return _decide(context, caller, step)


@router.post("/requests/copy")
def ask_to_forget_copies(
    context: Context,
    caller: DeletesData,
    unit: Annotated[str, Form(max_length=200)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Ask to treat the journals of a station as not copied any more."""

    def step(change: AuditedChange) -> None:
        ALL_REQUESTS.ask(change, caller, FORGET_COPIES.name, unit, {}, reason)

    return _decide(context, caller, step)


def _decide(context: WebContext, caller: Caller, step: Step) -> Response:
    try:
        with audited(context.database, actor_of(caller), context.now_us()) as change:
            step(change)
    except UsageError as error:
        return _show(context, caller, str(error))
    return RedirectResponse("/requests", _SEE_OTHER)


@router.get("/audit")
def audit_page(
    context: Context, caller: SeesAudit, before: Annotated[int | None, Query(ge=1, le=_MAX)] = None
) -> Response:
    """Return the latest rows of the audit log."""
    with context.database.read() as connection:
        found = read_entries(connection, before=before, limit=ENTRIES_PER_PAGE)
    return context.page("audit.html", caller, entries=found, more=len(found) == ENTRIES_PER_PAGE)


@router.get("/audit/check")
def audit_check(context: Context, caller: SeesAudit) -> Response:
    """Check the chain of the audit log."""
    fault, last = "", None
    try:
        with context.database.read() as connection:
            last = verify(connection)
    except AuditError as error:
        fault = str(error)
    return context.page("audit_check.html", caller, fault=fault, last=last)


@router.get("/audit/export", dependencies=[require(Permission.SEE_AUDIT)])
def audit_export(context: Context) -> Response:
    """Return the audit log, a row of JSON in each line."""
    headers = {"content-disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(_lines(context), media_type="application/jsonl", headers=headers)


def _lines(context: WebContext) -> Iterator[str]:
    """Yield each row of the audit log as a line of JSON, oldest first."""
    with context.database.read() as connection:
        for entry in iterate_entries(connection):
            row = {name: getattr(entry, name) for name in AuditEntry.__slots__}
            yield json.dumps(row, ensure_ascii=False) + "\n"


def _day_us(text: str) -> int:
    """Return the beginning of a day in µs since 1970 UTC. Raises UsageError."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise UsageError(f"expected a day as YYYY-MM-DD, not {text[:20]!r}") from error
    return int(day.timestamp()) * 1_000_000
