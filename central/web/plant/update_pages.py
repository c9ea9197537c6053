"""The page of a station's updates: what it reported, and its pin."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from starlette.responses import Response

from central.access.caller import Caller
from central.access.permissions import Permission
from central.rollouts.changes import pin_station, unpin_station
from central.store.judgements import station_number
from central.store.queries import has_station
from central.store.rollouts import read_pins, read_wanted
from central.store.tables import stations
from central.store.updates import (
    SystemReport,
    UpdateReport,
    read_reports,
    read_running,
    read_system_reports,
)
from central.web.access import require
from central.web.context import WebContext
from central.web.plant.forms import Form, audited_step, see_other

SeesRollouts = Annotated[Caller, require(Permission.SEE_ROLLOUTS)]
Releases = Annotated[Caller, require(Permission.RELEASE_BUNDLES)]


def make_update_pages(context: WebContext) -> APIRouter:
    """Return the routes of updates of one station."""
    router = APIRouter()

    @router.get("/api/stations/{station}/updates", tags=["rollouts"])
    def listed(caller: SeesRollouts, station: str) -> tuple[UpdateReport, ...]:
        """Return what a station reported about updates, newest first."""
        with context.database.read() as connection:
            if not has_station(connection, station):
                raise HTTPException(404, "there is no station with this name")
            return read_reports(connection, station)

    @router.get("/api/stations/{station}/system-updates", tags=["rollouts"])
    def listed_systems(caller: SeesRollouts, station: str) -> tuple[SystemReport, ...]:
        """Return what a station reported about updates of its system, newest first."""
        with context.database.read() as connection:
            if not has_station(connection, station):
                raise HTTPException(404, "there is no station with this name")
            return read_system_reports(connection, station)

    @router.get("/stations/{station}/updates", include_in_schema=False, response_class=HTMLResponse)
    def updates_page(caller: SeesRollouts, station: str) -> HTMLResponse:
        return _page(context, caller, station)

    @router.post("/stations/{station}/pin", include_in_schema=False, response_class=HTMLResponse)
    def pin_on_page(caller: Releases, station: str, form: Form) -> Response:
        try:
            if form.text("do") == "unpin":
                audited_step(context, caller, lambda c: unpin_station(c, station))
            else:
                reason = form.text("reason")
                audited_step(context, caller, lambda c: pin_station(c, station, reason))
        except HTTPException as error:
            return _page(context, caller, station, str(error.detail))
        return see_other(f"/stations/{station}/updates")

    return router


def _page(context: WebContext, caller: Caller, station: str, fault: str = "") -> HTMLResponse:
    with context.database.read() as connection:
        if not has_station(connection, station):
            raise HTTPException(404, "there is no station with this name")
        number = station_number(connection, station)
        reports = read_reports(connection, station)
        wanted = read_wanted(connection).get(number)
        running = read_running(connection).get(number, "")
        pin = read_pins(connection).get(station)
        system_reports = read_system_reports(connection, station)
        names = (stations.c.system_version, stations.c.system_slot)
        system = connection.execute(select(*names).where(stations.c.id == number)).one()
    figures = [json.loads(each.figures) if each.figures else {} for each in reports]
    return context.page(
        "updates.html",
        caller,
        422 if fault else 200,
        station=station,
        reports=list(zip(reports, figures, strict=True)),
        wanted=wanted,
        running=running,
        pin=pin,
        fault=fault,
        system=system,
        system_reports=system_reports,
    )
