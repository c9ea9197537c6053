"""The page of alarms: acknowledge, mute, and the values of the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from central.access.caller import Caller
from central.access.permissions import Permission
from central.alarms.outbox import read_outbox
from central.alarms.records import (
    ALL_RULES,
    Mute,
    ShownAlarm,
    acknowledge_alarm,
    add_mute,
    end_mute,
    find_alarm,
    read_alarms,
    read_mutes,
    read_values,
    write_value,
)
from central.alarms.rules import VALUES
from central.store.judgements import JudgementError
from central.store.place_stations import read_place_stations
from central.web.access import require
from central.web.context import RowNumber, WebContext
from central.web.plant.fleet import read_fleet
from central.web.plant.forms import Form, change, see_other
from central.web.plant.queries import scope_of

_HOUR_US = 3_600_000_000
_AT_PLACE = "at "

SeeAlarms = Annotated[Caller, require(Permission.SEE_ALARMS)]
Acknowledge = Annotated[Caller, require(Permission.ACKNOWLEDGE_ALARMS)]
MuteAlarms = Annotated[Caller, require(Permission.MUTE_ALARMS)]
EditAlarms = Annotated[Caller, require(Permission.EDIT_ALARMS)]


def check_alarm_scope(
    context: WebContext, caller: Caller, permission: Permission, number: int
) -> None:
    """Refuse an alarm out of the scope of the caller. Raises HTTPException 404."""
    try:
        with context.database.read() as connection:
            found = find_alarm(connection, number)
    except JudgementError as error:
        raise HTTPException(404, str(error)) from error
    check_alarm_station(context, caller, permission, found.station, found.place)


def check_alarm_station(
    context: WebContext, caller: Caller, permission: Permission, station: str, place: str = ""
) -> None:
    """Refuse a station or place out of the scope of the caller. Raises HTTPException 404.

    station, place: both empty: all stations. A place is in the scope where each of its stations is.
    """
    names = {station} if station else set()
    if place:
        with context.database.read() as connection:
            names |= read_place_stations(connection).get(place, frozenset())
    is_allowed = caller.may_everywhere(permission) or (
        bool(names) and all(caller.may_at(permission, name) for name in names)
    )
    if not is_allowed:
        raise HTTPException(404, "there is no alarm or station with this name in your scope")


def make_alarm_pages(context: WebContext) -> APIRouter:
    """Return the routes of the page."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_alarms_page(router, context)
    _add_acknowledge(router, context)
    _add_mute(router, context)
    _add_unmute(router, context)
    _add_edit_value(router, context)
    return router


def _add_alarms_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/alarms")
    def alarms_page(caller: SeeAlarms) -> HTMLResponse:
        now_us = context.now_us()
        names = scope_of(caller, Permission.SEE_ALARMS)
        with context.database.read() as connection:
            present = read_alarms(connection, names)
            past = read_alarms(connection, names, is_open=False, limit=50)
            mutes = read_mutes(connection, now_us)
            values = read_values(connection)
            sending = read_outbox(connection)
            known = read_fleet(connection, names, now_us)
            places = read_place_stations(connection)
        # A place is shown and muted by those who may do so at each of its stations.
        own = [place for place, inside in places.items() if names is None or inside <= names]
        return context.page(
            "alarms.html",
            caller,
            present=present,
            past=past,
            mutes=[
                each
                for each in mutes
                if names is None or each.station in names or each.place in own
            ],
            rules=ALL_RULES,
            places=own,
            acknowledgeable=_acknowledgeable(caller, present, places),
            values=[(each, values[each.name]) for each in VALUES],
            outbox=sending,
            stations=[each.name for each in known],
        )


def _acknowledgeable(
    caller: Caller, present: Sequence[ShownAlarm], places: Mapping[str, frozenset[str]]
) -> frozenset[int | None]:
    """Return the numbers of the alarms that the caller may acknowledge."""
    permission = Permission.ACKNOWLEDGE_ALARMS
    found = set()
    for one in present:
        names = {one.station} if one.station else places.get(one.place, frozenset())
        if caller.may_everywhere(permission) or (
            names and all(caller.may_at(permission, name) for name in names)
        ):
            found.add(one.alarm.number)
    return frozenset(found)


def _add_acknowledge(router: APIRouter, context: WebContext) -> None:
    @router.post("/alarms/{number}/acknowledge")
    def acknowledge(caller: Acknowledge, number: RowNumber, form: Form) -> Response:
        check_alarm_scope(context, caller, Permission.ACKNOWLEDGE_ALARMS, number)
        change(
            context,
            caller,
            "alarm.acknowledge",
            str(number),
            lambda connection: acknowledge_alarm(
                connection, number, caller.name, form.text("note"), context.now_us()
            ),
        )
        return see_other("/alarms")


def _add_mute(router: APIRouter, context: WebContext) -> None:
    @router.post("/alarms/mutes")
    def mute(caller: MuteAlarms, form: Form) -> Response:
        now_us = context.now_us()
        until_us = now_us + int(form.real("hours") * _HOUR_US)
        # The list has places as "at PLANT/LINE": no station has a space in its name.
        at = form.text("station")
        is_place = at.startswith(_AT_PLACE)
        wanted = Mute(
            0,
            form.text("rule"),
            "" if is_place else at,
            until_us,
            form.text("reason"),
            caller.name,
            at.removeprefix(_AT_PLACE) if is_place else "",
        )
        check_alarm_station(context, caller, Permission.MUTE_ALARMS, wanted.station, wanted.place)
        change(
            context,
            caller,
            "alarm.mute",
            f"{wanted.rule} {wanted.station or wanted.place}".strip(),
            lambda connection: add_mute(connection, wanted, now_us),
        )
        return see_other("/alarms")


def _add_unmute(router: APIRouter, context: WebContext) -> None:
    @router.post("/alarms/mutes/{number}/end")
    def unmute(caller: MuteAlarms, number: RowNumber, form: Form) -> Response:
        now_us = context.now_us()
        with context.database.read() as connection:
            own = [each for each in read_mutes(connection, now_us) if each.number == number]
        if not own:
            raise HTTPException(404, "there is no mute with this number")
        check_alarm_station(context, caller, Permission.MUTE_ALARMS, own[0].station, own[0].place)
        change(
            context,
            caller,
            "alarm.unmute",
            str(number),
            lambda connection: end_mute(connection, number, now_us),
        )
        return see_other("/alarms")


def _add_edit_value(router: APIRouter, context: WebContext) -> None:
    @router.post("/alarms/values")
    def edit_value(caller: EditAlarms, form: Form) -> Response:
        check_alarm_station(context, caller, Permission.EDIT_ALARMS, "")
        name, value = form.text("name"), form.real("value")
        change(
            context,
            caller,
            "alarm.value",
            f"{name} {value:g}",
            lambda connection: write_value(connection, name, value, caller.name, context.now_us()),
        )
        return see_other("/alarms#values")
