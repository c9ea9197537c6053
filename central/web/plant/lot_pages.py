"""The pages of lots and of guidance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from central.access.caller import Caller
from central.access.permissions import Permission
from central.figures.pareto import pareto
from central.store.judgements import (
    answer_guidance,
    read_guidance,
    read_kind_names,
    write_guidance,
)
from central.store.lot_messages import read_statements
from central.store.lots import LotEntry, begin_lot, end_lot, read_lots, remove_lot, trace_lot
from central.store.place_stations import places_within
from central.store.tables import DAY_US, MINUTE_US
from central.web.access import require
from central.web.context import RowNumber, WebContext
from central.web.plant.fleet import read_fleet
from central.web.plant.forms import Form, change, see_other
from central.web.plant.queries import scope_of

_KIND_DAYS = 30

SeeLots = Annotated[Caller, require(Permission.SEE_LOTS)]
EditLots = Annotated[Caller, require(Permission.EDIT_LOTS)]
SeeGuidance = Annotated[Caller, require(Permission.SEE_GUIDANCE)]
EditGuidance = Annotated[Caller, require(Permission.EDIT_GUIDANCE)]
MarkParts = Annotated[Caller, require(Permission.MARK_PARTS)]


def check_lot_stations(caller: Caller, names: tuple[str, ...]) -> None:
    """Refuse an entry for stations out of the scope of the caller. Raises HTTPException 403."""
    for each in names:
        if not caller.may_at(Permission.EDIT_LOTS, each):
            raise HTTPException(403, "this account has no permission edit-lots for this station")


def check_lot(context: WebContext, caller: Caller, number: int) -> None:
    """Refuse a change of a lot of stations out of the scope. Raises HTTPException 403 and 404."""
    with context.database.read() as connection:
        found = read_lots(connection, number=number)
    if not found:
        raise HTTPException(404, "there is no lot with this number")
    check_lot_stations(caller, found[0].entry.stations)


def make_lot_pages(context: WebContext) -> APIRouter:
    """Return the routes of these pages."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_lots_page(router, context)
    _add_add_lot(router, context)
    _add_finish_lot(router, context)
    _add_drop_lot(router, context)
    _add_guidance_page(router, context)
    _add_edit_guidance(router, context)
    _add_answer(router, context)
    return router


def _add_lots_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/lots")
    def lots_page(caller: SeeLots, lot: Annotated[str, Query(max_length=100)] = "") -> HTMLResponse:
        names = scope_of(caller, Permission.SEE_LOTS)
        trace = None
        with context.database.read() as connection:
            known = read_fleet(connection, names, context.now_us())
            entries = read_lots(connection, names=names)
            places = None if names is None else frozenset(places_within(connection, names))
            statements = read_statements(connection, places)
            if lot:
                trace = trace_lot(connection, lot, names)
        if trace is not None and not trace.windows:
            raise HTTPException(404, "there is no lot with this name")
        return context.page(
            "lots.html" if trace is None else "lot.html",
            caller,
            lot=lot,
            trace=trace,
            kinds=pareto(trace.kinds) if trace else (),
            entries=entries,
            statements=statements,
            stations=[each.name for each in known],
            now_us=context.now_us(),
        )


def _add_add_lot(router: APIRouter, context: WebContext) -> None:
    @router.post("/lots")
    def add_lot(caller: EditLots, form: Form) -> Response:
        now_us = context.now_us()
        began_us = form.moment("began")
        entry = LotEntry(
            form.text("lot"),
            form.texts("station"),
            now_us if began_us is None else began_us,
            form.moment("ended"),
            form.text("order"),
            form.text("product"),
            form.text("note"),
        )
        check_lot_stations(caller, entry.stations)
        change(
            context,
            caller,
            "lot.begin",
            entry.lot,
            lambda connection: begin_lot(connection, entry, caller.name, now_us),
        )
        return see_other("/lots")


def _add_finish_lot(router: APIRouter, context: WebContext) -> None:
    @router.post("/lots/{number}/end")
    def finish_lot(caller: EditLots, number: RowNumber, form: Form) -> Response:
        check_lot(context, caller, number)
        now_us = context.now_us()
        change(
            context,
            caller,
            "lot.end",
            str(number),
            lambda connection: end_lot(connection, number, now_us),
        )
        return see_other("/lots")


def _add_drop_lot(router: APIRouter, context: WebContext) -> None:
    @router.post("/lots/{number}/remove")
    def drop_lot(caller: EditLots, number: RowNumber, form: Form) -> Response:
        check_lot(context, caller, number)
        change(
            context,
            caller,
            "lot.remove",
            str(number),
            lambda connection: remove_lot(connection, number),
        )
        return see_other("/lots")


def _add_guidance_page(router: APIRouter, context: WebContext) -> None:
    @router.get("/guidance")
    def guidance_page(
        caller: SeeGuidance, kind: Annotated[str, Query(max_length=100)] = ""
    ) -> HTMLResponse:
        since = (context.now_us() - _KIND_DAYS * DAY_US) // MINUTE_US
        with context.database.read() as connection:
            present = read_guidance(connection)
            versions = read_guidance(connection, kind, every=True) if kind else ()
            names = read_kind_names(connection, since)
        written = {each.kind for each in present}
        return context.page(
            "guidance.html",
            caller,
            kind=kind,
            present=present,
            versions=versions,
            missing=[each for each in names if each not in written],
        )


def _add_edit_guidance(router: APIRouter, context: WebContext) -> None:
    @router.post("/guidance")
    def edit_guidance(caller: EditGuidance, form: Form) -> Response:
        kind = form.text("kind")
        change(
            context,
            caller,
            "guidance.write",
            kind,
            lambda connection: write_guidance(
                connection, kind, form.text("body"), caller.name, context.now_us()
            ),
        )
        return see_other("/guidance")


def _add_answer(router: APIRouter, context: WebContext) -> None:
    @router.post("/stations/{station}/guidance-answer")
    def answer(caller: MarkParts, station: str, form: Form) -> Response:
        helped = form.text("helped")
        if helped not in ("yes", "no"):
            raise HTTPException(422, "helped: expected yes or no")
        change(
            context,
            caller,
            "guidance.answer",
            f"{station} {form.text('kind')} {helped}",
            lambda connection: answer_guidance(
                connection,
                station,
                form.text("kind"),
                helped == "yes",
                caller.name,
                context.now_us(),
            ),
        )
        return see_other(f"/stations/{station}#guidance")
