"""The JSON API of figures, parts, lots, guidance, alarms and the fleet; and the exports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from central.access.caller import Caller
from central.access.permissions import Permission
from central.alarms.records import ShownAlarm, acknowledge_alarm, read_alarms
from central.store.drills import DrillSummary, read_drills
from central.store.judgements import GuidanceVersion, JudgementError, read_guidance, write_guidance
from central.store.lots import (
    LotEntry,
    LotTrace,
    LotWindow,
    begin_lot,
    end_lot,
    read_lots,
    trace_lot,
)
from central.store.queries import PartSummary
from central.store.search import (
    PartSearch,
    TooWideSearchError,
    check_width,
    find_parts,
    iterate_parts,
)
from central.web.access import require
from central.web.context import RowNumber, WebContext
from central.web.plant.alarm_pages import check_alarm_scope
from central.web.plant.exports import csv_lines, parquet_bytes
from central.web.plant.figures import StationFigures, read_figures
from central.web.plant.fleet import FleetEntry, read_fleet
from central.web.plant.forms import change, read_moment
from central.web.plant.lot_pages import check_lot, check_lot_stations
from central.web.plant.queries import (
    AfterQuery,
    HoursQuery,
    api_search,
    check_hours,
    in_scope,
    read_position,
    scope_of,
    write_position,
)

SeeParts = Annotated[Caller, require(Permission.SEE_PARTS)]
SeeFigures = Annotated[Caller, require(Permission.SEE_FIGURES)]
SeeFleet = Annotated[Caller, require(Permission.SEE_FLEET)]
SeeLots = Annotated[Caller, require(Permission.SEE_LOTS)]
EditLots = Annotated[Caller, require(Permission.EDIT_LOTS)]
SeeGuidance = Annotated[Caller, require(Permission.SEE_GUIDANCE)]
EditGuidance = Annotated[Caller, require(Permission.EDIT_GUIDANCE)]
SeeAlarms = Annotated[Caller, require(Permission.SEE_ALARMS)]
Acknowledge = Annotated[Caller, require(Permission.ACKNOWLEDGE_ALARMS)]
Export = Annotated[Caller, require(Permission.EXPORT)]
Search = Annotated[PartSearch, Depends(api_search)]
LimitQuery = Annotated[int, Query(ge=1, le=500, description="the largest number of parts")]
LotName = Annotated[str, Query(min_length=1, max_length=100, description="the lot")]
_Text = Annotated[str, Field(max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LotBody(_Body):
    """A lot that begins at stations. began, ended: RFC 3339; without began it begins now."""

    lot: Annotated[str, Field(min_length=1, max_length=100)]
    stations: Annotated[list[_Text], Field(min_length=1, max_length=200)]
    order: _Text = ""
    product: _Text = ""
    note: _Text = ""
    began: _Text = ""
    ended: _Text = ""


class GuidanceBody(_Body):
    """A new version of the guidance for a kind."""

    kind: Annotated[str, Field(min_length=1, max_length=100)]
    body: Annotated[str, Field(min_length=1, max_length=4_000)]


class NoteBody(_Body):
    """A note of a person."""

    note: Annotated[str, Field(max_length=500)] = ""


class FoundPage(BaseModel):
    """A page of parts, newest first. next: the parameter ``after`` of the next page."""

    parts: list[PartSummary]
    next: str | None


class Stored(BaseModel):
    """The number under which something was stored."""

    number: int


def make_plant_api(context: WebContext) -> APIRouter:
    """Return the routes below /api."""
    router = APIRouter(prefix="/api")
    _add_figures(router, context)
    _add_parts(router, context)
    _add_lots(router, context)
    _add_guidance(router, context)
    _add_alarms(router, context)
    return router


def _add_figures(router: APIRouter, context: WebContext) -> None:
    @router.get("/stations/{station}/figures", tags=["figures"])
    def figures(
        caller: SeeFigures, station: str, hours: HoursQuery = 24, by_lot: bool = False
    ) -> StationFigures:
        """Return yield, charts, Pareto, severities, times, drift and self-tests of a station."""
        try:
            with context.database.read() as connection:
                return read_figures(
                    connection, station, check_hours(hours), context.now_us(), by_lot=by_lot
                )
        except JudgementError as error:
            raise HTTPException(404, str(error)) from error

    @router.get("/fleet", tags=["stations"])
    def fleet(caller: SeeFleet) -> tuple[FleetEntry, ...]:
        """Return what each station last stated about itself."""
        with context.database.read() as connection:
            return read_fleet(connection, scope_of(caller, Permission.SEE_FLEET), context.now_us())

    @router.get("/drills", tags=["central"])
    def drills(caller: SeeFleet) -> DrillSummary:
        """Return the latest restore drills, and the end of the last good one."""
        if not caller.may_everywhere(Permission.SEE_FLEET):
            return DrillSummary()
        with context.database.read() as connection:
            return read_drills(connection)


def _add_parts(router: APIRouter, context: WebContext) -> None:
    @router.get("/parts", tags=["parts"])
    def parts(
        caller: SeeParts, search: Search, after: AfterQuery = "", limit: LimitQuery = 50
    ) -> FoundPage:
        """Search parts. Passed parts are searched by station or by lot."""
        own = in_scope(caller, Permission.SEE_PARTS, search)
        try:
            with context.database.read() as connection:
                found = find_parts(connection, own, after=read_position(after), limit=limit)
        except TooWideSearchError as error:
            raise HTTPException(422, str(error)) from error
        return FoundPage(parts=list(found.parts), next=write_position(found.after))

    @router.get("/export/parts.csv", tags=["exports"], response_class=StreamingResponse)
    def export_csv(caller: Export, search: Search) -> StreamingResponse:
        """Return all parts of a search as CSV, newest first."""
        own = _exported(caller, search)
        headers = {"content-disposition": 'attachment; filename="parts.csv"'}
        lines = csv_lines(iterate_parts(context.database, own))
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/export/parts.parquet", tags=["exports"], response_class=StreamingResponse)
    def export_parquet(caller: Export, search: Search) -> StreamingResponse:
        """Return all parts of a search as Parquet, newest first."""
        own = _exported(caller, search)
        headers = {"content-disposition": 'attachment; filename="parts.parquet"'}
        pieces = parquet_bytes(iterate_parts(context.database, own))
        return StreamingResponse(
            pieces, media_type="application/vnd.apache.parquet", headers=headers
        )


def _exported(caller: Caller, search: PartSearch) -> PartSearch:
    own = in_scope(caller, Permission.EXPORT, search)
    try:
        check_width(own)
    except TooWideSearchError as error:
        raise HTTPException(422, str(error)) from error
    return own


def _add_lots(router: APIRouter, context: WebContext) -> None:
    @router.get("/lots", tags=["lots"])
    def lots(caller: SeeLots, is_open: bool = False) -> tuple[LotWindow, ...]:
        """Return the latest 100 lots. is_open: only those that last."""
        with context.database.read() as connection:
            return read_lots(
                connection, names=scope_of(caller, Permission.SEE_LOTS), is_open=is_open
            )

    @router.get("/lots/trace", tags=["lots"])
    def trace(caller: SeeLots, lot: LotName) -> LotTrace:
        """Return the parts of a lot: how many, and the causes of rejected ones."""
        with context.database.read() as connection:
            found = trace_lot(connection, lot, scope_of(caller, Permission.SEE_LOTS))
        if not found.windows:
            raise HTTPException(404, "there is no lot with this name")
        return found

    @router.post("/lots", tags=["lots"], status_code=201)
    def add_lot(caller: EditLots, body: LotBody) -> Stored:
        """Begin a lot at stations. Each of them ends the lot that it worked on before."""
        now_us = context.now_us()
        began_us = read_moment(body.began, "began")
        entry = LotEntry(
            body.lot,
            tuple(dict.fromkeys(body.stations)),
            now_us if began_us is None else began_us,
            read_moment(body.ended, "ended"),
            body.order,
            body.product,
            body.note,
        )
        check_lot_stations(caller, entry.stations)
        number = change(
            context,
            caller,
            "lot.begin",
            entry.lot,
            lambda connection: begin_lot(connection, entry, caller.name, now_us),
        )
        return Stored(number=number)

    @router.post("/lots/{number}/end", tags=["lots"])
    def finish_lot(caller: EditLots, number: RowNumber) -> Stored:
        """End a lot now."""
        check_lot(context, caller, number)
        now_us = context.now_us()
        change(
            context,
            caller,
            "lot.end",
            str(number),
            lambda connection: end_lot(connection, number, now_us),
        )
        return Stored(number=number)


def _add_guidance(router: APIRouter, context: WebContext) -> None:
    @router.get("/guidance", tags=["guidance"])
    def guidance(
        caller: SeeGuidance, kind: Annotated[str | None, Query(max_length=100)] = None
    ) -> tuple[GuidanceVersion, ...]:
        """Return the present guidance of each kind; with a kind all its versions."""
        with context.database.read() as connection:
            return read_guidance(connection, kind, every=kind is not None)

    @router.post("/guidance", tags=["guidance"], status_code=201)
    def write(caller: EditGuidance, body: GuidanceBody) -> Stored:
        """Store a new version of the guidance for a kind, and return the version."""
        version = change(
            context,
            caller,
            "guidance.write",
            body.kind,
            lambda connection: write_guidance(
                connection, body.kind, body.body, caller.name, context.now_us()
            ),
        )
        return Stored(number=version)


def _add_alarms(router: APIRouter, context: WebContext) -> None:
    @router.get("/alarms", tags=["alarms"])
    def alarms(caller: SeeAlarms, is_open: bool = True) -> tuple[ShownAlarm, ...]:
        """Return the alarms that last; with is_open=false the resolved ones, latest first."""
        with context.database.read() as connection:
            return read_alarms(connection, scope_of(caller, Permission.SEE_ALARMS), is_open=is_open)

    @router.post("/alarms/{number}/acknowledge", tags=["alarms"])
    def acknowledge(
        request: Request, caller: Acknowledge, number: RowNumber, body: NoteBody
    ) -> Stored:
        """Acknowledge a firing alarm."""
        check_alarm_scope(context, caller, Permission.ACKNOWLEDGE_ALARMS, number)
        change(
            context,
            caller,
            "alarm.acknowledge",
            str(number),
            lambda connection: acknowledge_alarm(
                connection, number, caller.name, body.note, context.now_us()
            ),
        )
        return Stored(number=number)
