"""The pages of a station, of Pareto and of the fleet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from central.access.caller import Caller
from central.access.permissions import Permission
from central.alarms.records import read_values
from central.figures.charts import freeze
from central.figures.pareto import pareto
from central.store.drills import read_drills
from central.store.judgements import JudgementError, read_guidance, station_number, write_limits
from central.store.lots import read_lot_of
from central.store.periods import read_intervals
from central.store.queries import read_kinds, read_parts
from central.store.tables import DAY_US
from central.web.access import require
from central.web.api import BeforeQuery
from central.web.context import WebContext
from central.web.plant.drawings import reject_chart, yield_chart
from central.web.plant.figures import STEPS, period_of, read_figures
from central.web.plant.fleet import read_fleet
from central.web.plant.forms import Form, change, see_other
from central.web.plant.queries import HoursQuery, check_hours, scope_of
from edge.records import Decision

PARTS_PER_PAGE = 50
_KINDS_WITH_GUIDANCE = 3

SeeFigures = Annotated[Caller, require(Permission.SEE_FIGURES)]
SeeFleet = Annotated[Caller, require(Permission.SEE_FLEET)]
EditLimits = Annotated[Caller, require(Permission.EDIT_LIMITS)]


def make_station_pages(context: WebContext) -> APIRouter:
    """Return the routes of these pages."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_station_page(router, context)
    _add_freeze_limits(router, context)
    _add_pareto_page(router, context)
    _add_fleet_page(router, context)
    return router


def _add_station_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/stations/{station}")
    def station_page(
        caller: SeeFigures,
        station: str,
        hours: HoursQuery = 24,
        by: str = "bundle",
        before: BeforeQuery = None,
        every: bool = False,
    ) -> HTMLResponse:
        now_us = context.now_us()
        decisions = [] if every else [Decision.REJECT, Decision.UNKNOWN]
        with context.database.read() as connection:
            try:
                figures = read_figures(
                    connection, station, check_hours(hours), now_us, by_lot=by == "lot"
                )
            except JudgementError as error:
                raise HTTPException(404, str(error)) from error
            found = read_parts(
                connection, station, before_us=before, decisions=decisions, limit=PARTS_PER_PAGE
            )
            advice = {each.kind: each for each in read_guidance(connection)}
            lot = read_lot_of(connection, station, now_us)
        kinds = [each.kind for each in figures.kinds if each.kind in advice]
        return context.page(
            "station.html",
            caller,
            station=station,
            figures=figures,
            parts=found,
            every=every,
            by=by,
            lot=lot,
            steps=STEPS,
            advice=[advice[kind] for kind in kinds[:_KINDS_WITH_GUIDANCE]],
            yields=yield_chart(figures.yields),
            rejects=reject_chart(figures.charts),
            before=before,
        )


def _add_freeze_limits(router: APIRouter, context: WebContext) -> None:
    @router.post("/stations/{station}/limits")
    def freeze_limits(caller: EditLimits, station: str, form: Form) -> Response:
        hours = check_hours(int(form.real("hours")))
        bundle, is_frozen = form.text("bundle"), form.text("do") == "freeze"
        now_us = context.now_us()
        period = period_of(hours, now_us)
        with context.database.read() as connection:
            number = station_number(connection, station)
            intervals = read_intervals(connection, number, period)
        groups = [each.rejects() for each in intervals if each.bundle == bundle]
        limits = freeze(groups) if is_frozen else None
        if is_frozen and limits is None:
            raise HTTPException(422, "there are too few intervals with parts to freeze limits")
        change(
            context,
            caller,
            "limits.freeze" if is_frozen else "limits.release",
            f"{station} {bundle}",
            lambda connection: write_limits(
                connection,
                station,
                bundle,
                limits,
                (period.first_us, period.end_us),
                caller.name,
                now_us,
            ),
        )
        return see_other(f"/stations/{station}?hours={hours}#rejects")


def _add_pareto_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/pareto")
    def pareto_page(caller: SeeFigures, hours: HoursQuery = 168, station: str = "") -> HTMLResponse:
        period = period_of(check_hours(hours), context.now_us())
        names = scope_of(caller, Permission.SEE_FIGURES)
        counts: dict[str, int] = {}
        with context.database.read() as connection:
            known = [each.name for each in read_fleet(connection, names, context.now_us())]
            chosen = [each for each in known if each == station] if station else known
            if station and not chosen:
                raise HTTPException(404, "there is no station with this name")
            if names is None and not station:
                counts = read_kinds(connection, period.first, period.last)
            else:
                for each in chosen:
                    own = read_kinds(connection, period.first, period.last, each)
                    for kind, count in own.items():
                        counts[kind] = counts.get(kind, 0) + count
            advice = {each.kind: each for each in read_guidance(connection)}
        return context.page(
            "pareto.html",
            caller,
            bars=pareto(counts, 30),
            hours=hours,
            station=station,
            stations=known,
            steps=STEPS,
            advice=advice,
        )


def _add_fleet_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/fleet")
    def fleet_page(caller: SeeFleet) -> HTMLResponse:
        now_us = context.now_us()
        with context.database.read() as connection:
            fleet = read_fleet(connection, scope_of(caller, Permission.SEE_FLEET), now_us)
            values = read_values(connection)
            drills = None
            if caller.may_everywhere(Permission.SEE_FLEET):
                drills = read_drills(connection)
        return context.page(
            "fleet.html",
            caller,
            fleet=fleet,
            drills=drills,
            soon_us=now_us + int(values["certificate.days"] * DAY_US),
            least_free=values["disk.station"] / 100,
            now_us=now_us,
        )
