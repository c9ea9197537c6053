"""The page of commands to a station, and its part of the JSON API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from central.access.audit import AuditedChange
from central.access.caller import Caller
from central.access.commands import (
    MAX_DAYS,
    CommandWish,
    ask_for_command,
    read_action,
    take_signed,
    unsigned_text,
    withdraw,
)
from central.access.permissions import Permission
from central.store.commands import (
    CommandAnswer,
    StationCommand,
    read_answers,
    read_commands,
)
from central.store.queries import has_station
from central.web.access import require
from central.web.context import RowNumber, WebContext
from central.web.plant.forms import Form, FormFields, audited_step, see_other
from edge.commands.message import CommandAction, SignedCommand, read_signed
from edge.errors import UsageError

SeesStations = Annotated[Caller, require(Permission.SEE_STATIONS)]
SendsCommands = Annotated[Caller, require(Permission.SEND_COMMANDS)]
_DAYS = 7
_MAX_WHOLE = 1 << 53


class CommandRequest(BaseModel):
    """The wish for a command."""

    action: CommandAction = Field(description="what the station shall do")
    days: int = Field(
        default=_DAYS, ge=1, le=MAX_DAYS, description="days until no station accepts it any more"
    )


def make_command_pages(context: WebContext) -> APIRouter:
    """Return the routes of commands: pages for people, and JSON for programs."""
    router = APIRouter()
    _add_api(router, context)
    _add_pages(router, context)
    return router


def _add_api(router: APIRouter, context: WebContext) -> None:
    @router.get("/api/stations/{station}/commands", tags=["commands"])
    def listed(caller: SeesStations, station: str) -> tuple[StationCommand, ...]:
        """Return the latest commands to a station, newest first."""
        return _read(context, station)[0]

    @router.get("/api/stations/{station}/answers", tags=["commands"])
    def answers(caller: SeesStations, station: str) -> tuple[CommandAnswer, ...]:
        """Return the latest answers of a station, also to messages of other origin."""
        return _read(context, station)[1]

    @router.post("/api/stations/{station}/commands", tags=["commands"], status_code=201)
    def ask(caller: SendsCommands, station: str, wish: CommandRequest) -> dict[str, int]:
        """Ask for a command. It waits for the signature of an operator key."""
        made = audited_step(
            context,
            caller,
            lambda change: ask_for_command(change, CommandWish(station, wish.action, wish.days)),
        )
        return {"number": made}

    @router.post("/api/stations/{station}/signed-commands", tags=["commands"], status_code=201)
    def signed(
        caller: SendsCommands, station: str, command: Annotated[SignedCommand, Body()]
    ) -> dict[str, int]:
        """Take a signed command. It is published until the station has answered."""
        return {"number": audited_step(context, caller, lambda c: take_signed(c, station, command))}

    @router.get(
        "/api/stations/{station}/commands/{number}/unsigned",
        tags=["commands"],
        response_class=Response,
        responses={200: {"content": {"application/json": {}}}},
    )
    def unsigned(caller: SendsCommands, station: str, number: RowNumber) -> Response:
        """Return the file that `outfeed-central command sign` takes."""
        with context.database.read() as connection:
            try:
                text = unsigned_text(connection, station, number, context.now_us())
            except UsageError as error:
                raise HTTPException(422, str(error)) from error
        headers = {"content-disposition": f'attachment; filename="command-{number}.json"'}
        return Response(text, media_type="application/json", headers=headers)


def _add_pages(router: APIRouter, context: WebContext) -> None:
    @router.get(
        "/stations/{station}/commands", include_in_schema=False, response_class=HTMLResponse
    )
    def commands_page(caller: SeesStations, station: str) -> HTMLResponse:
        return _page(context, caller, station)

    @router.post(
        "/stations/{station}/commands", include_in_schema=False, response_class=HTMLResponse
    )
    def ask_on_page(caller: SendsCommands, station: str, form: Form) -> Response:
        return _on_page(
            context,
            caller,
            station,
            lambda change: ask_for_command(
                change, CommandWish(station, _action_of(form), _whole(form, "days"))
            ),
        )

    @router.post(
        "/stations/{station}/commands/signed", include_in_schema=False, response_class=HTMLResponse
    )
    def signed_on_page(caller: SendsCommands, station: str, form: Form) -> Response:
        return _on_page(
            context,
            caller,
            station,
            lambda change: take_signed(change, station, read_signed(form.text("signed"))),
        )

    @router.post(
        "/stations/{station}/commands/{number}/withdraw",
        include_in_schema=False,
        response_class=HTMLResponse,
    )
    def withdraw_on_page(caller: SendsCommands, station: str, number: RowNumber) -> Response:
        return _on_page(context, caller, station, lambda change: withdraw(change, station, number))


def _read(
    context: WebContext, station: str
) -> tuple[tuple[StationCommand, ...], tuple[CommandAnswer, ...]]:
    with context.database.read() as connection:
        if not has_station(connection, station):
            raise HTTPException(404, "there is no station with this name")
        return read_commands(connection, station, context.now_us()), read_answers(
            connection, station
        )


def _page(context: WebContext, caller: Caller, station: str, fault: str = "") -> HTMLResponse:
    found, answers = _read(context, station)
    return context.page(
        "commands.html",
        caller,
        422 if fault else 200,
        station=station,
        commands=found,
        answers=answers,
        days=_DAYS,
        most_days=MAX_DAYS,
        fault=fault,
    )


def _on_page(
    context: WebContext, caller: Caller, station: str, step: Callable[[AuditedChange], object]
) -> Response:
    try:
        audited_step(context, caller, step)
    except HTTPException as error:
        return _page(context, caller, station, str(error.detail))
    return see_other(f"/stations/{station}/commands")


def _action_of(form: FormFields) -> CommandAction:
    kind = form.text("kind")
    fields: dict[str, object] = {"kind": kind}
    if kind == "resend":
        fields |= {"first": _whole(form, "first"), "last": _whole(form, "last")}
    elif kind in ("mark", "picture"):
        fields["part_id"] = _whole(form, "part")
        if kind == "mark":
            fields |= {"mark": form.text("mark"), "note": form.text("note")}
    else:
        raise UsageError("kind: expected mark, resend or picture")
    return read_action(json.dumps(fields))


def _whole(form: FormFields, name: str) -> int:
    text = form.text(name)
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= _MAX_WHOLE):
        raise UsageError(f"{name}: expected a whole number")
    return int(text)
