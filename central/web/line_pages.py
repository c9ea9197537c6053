"""The page of plants, lines and their stations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from central.access.audit import AuditedChange, audited
from central.access.caller import Caller
from central.access.permissions import Permission
from central.access.places import (
    add_line,
    add_plant,
    assign_station,
    read_plants,
    read_unassigned,
    remove_line,
)
from central.web.access import Context, require
from central.web.account_pages import actor_of
from central.web.context import WebContext
from edge.errors import UsageError

_SEE_OTHER = 303

ManagesLines = Annotated[Caller, require(Permission.MANAGE_LINES)]
NameForm = Annotated[str, Form(max_length=200)]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def _show_lines(context: WebContext, caller: Caller, fault: str = "") -> HTMLResponse:
    with context.database.read() as connection:
        return context.page(
            "lines.html",
            caller,
            422 if fault else 200,
            plants=read_plants(connection),
            unassigned=read_unassigned(connection),
            fault=fault,
        )


@router.get("/lines")
def lines_page(context: Context, caller: ManagesLines) -> Response:
    """Return the page of plants and lines."""
    return _show_lines(context, caller)


@router.post("/lines/plants")
def create_plant(context: Context, caller: ManagesLines, plant: NameForm = "") -> Response:
    """Create a plant."""

    def step(change: AuditedChange) -> None:
        add_plant(change, plant)

    return _apply(context, caller, step)


@router.post("/lines")
def create_line(
    context: Context, caller: ManagesLines, plant: NameForm = "", line: NameForm = ""
) -> Response:
    """Create a line."""

    def step(change: AuditedChange) -> None:
        add_line(change, plant, line)

    return _apply(context, caller, step)


@router.post("/lines/remove")
def delete_line(
    context: Context, caller: ManagesLines, plant: NameForm = "", line: NameForm = ""
) -> Response:
    """Remove a line. Its stations have none then."""

    def step(change: AuditedChange) -> None:
        remove_line(change, plant, line)

    return _apply(context, caller, step)


@router.post("/lines/stations")
def assign(
    context: Context, caller: ManagesLines, unit: NameForm = "", place: NameForm = ""
) -> Response:
    """Assign a station to a line, or to none."""

    def step(change: AuditedChange) -> None:
        plant, _, line = place.partition("/")
        assign_station(change, unit, plant or None, line or None)

    return _apply(context, caller, step)


def _apply(context: WebContext, caller: Caller, step: Callable[[AuditedChange], None]) -> Response:
    """Make a change. Show the page again with its fault."""
    try:
        with audited(context.database, actor_of(caller), context.now_us()) as change:
            step(change)
    except UsageError as error:
        return _show_lines(context, caller, str(error))
    return RedirectResponse("/lines", _SEE_OTHER)
