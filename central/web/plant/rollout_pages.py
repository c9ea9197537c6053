"""The pages of rollouts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from central.access.audit import AuditedChange
from central.access.caller import Caller
from central.access.permissions import Permission
from central.rollouts.changes import (
    end_rollout,
    pause_rollout,
    resume_rollout,
    set_aside,
    start_rollout,
)
from central.rollouts.cohorts import Candidate, divide
from central.rollouts.planning import RolloutTerms, RolloutWish
from central.rollouts.signatures import take_signatures
from central.store.bundles import read_bundles
from central.store.place_stations import read_place_stations
from central.store.rollouts import RolloutStation, read_pins, read_rollouts
from central.web.access import require
from central.web.context import RowNumber, WebContext, read_stations
from central.web.plant.forms import Form, FormFields, audited_step, see_other
from central.web.plant.queries import scope_of
from central.web.plant.rollout_api import (
    ask_at_once,
    check_scope,
    plan_in_scope,
    read_detail,
)
from central.web.uploads import FileForm
from edge.errors import UsageError
from edge.updates.plan import MAX_DAYS, read_signed_rollout

SeesRollouts = Annotated[Caller, require(Permission.SEE_ROLLOUTS)]
Releases = Annotated[Caller, require(Permission.RELEASE_BUNDLES)]
Pauses = Annotated[Caller, require(Permission.PAUSE_ROLLOUTS)]

EVERYWHERE = "/"
"""The choice of all stations in the form of a rollout. No name of a place has only a slash."""

_SIZES = (("shadow_parts", 3000), ("shadow_rejects", 30), ("probation_parts", 3000))


def make_rollout_pages(context: WebContext) -> APIRouter:
    """Return the routes of these pages."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    _add_list(router, context)
    _add_rollout(router, context)
    _add_steps(router, context)
    return router


def _add_list(router: APIRouter, context: WebContext) -> None:
    @router.get("/rollouts")
    def rollouts_page(caller: SeesRollouts) -> HTMLResponse:
        return _list_page(context, caller)

    @router.post("/rollouts")
    def plan_on_page(caller: Releases, form: Form) -> Response:
        try:
            number = plan_in_scope(context, caller, _wish(context, caller, form))
        except UsageError as error:
            return _list_page(context, caller, str(error))
        except HTTPException as error:
            return _list_page(context, caller, str(error.detail))
        return see_other(f"/rollouts/{number}")


def _add_rollout(router: APIRouter, context: WebContext) -> None:
    @router.get("/rollouts/{number}")
    def rollout_page(caller: SeesRollouts, number: RowNumber) -> HTMLResponse:
        return _page(context, caller, number)

    @router.post("/rollouts/{number}/signed")
    def signed_on_page(caller: Releases, number: RowNumber, data: FileForm) -> Response:
        return _on_page(
            context,
            caller,
            number,
            lambda c: take_signatures(c, number, read_signed_rollout(data)),
        )


def _add_steps(router: APIRouter, context: WebContext) -> None:
    @router.post("/rollouts/{number}/start")
    def start_on_page(caller: Releases, number: RowNumber) -> Response:
        return _on_page(context, caller, number, lambda c: start_rollout(c, number))

    @router.post("/rollouts/{number}/at-once")
    def at_once_on_page(caller: Releases, number: RowNumber, form: Form) -> Response:
        try:
            ask_at_once(context, caller, number, form.text("reason"))
        except HTTPException as error:
            if error.status_code != 422:
                raise
            return _page(context, caller, number, str(error.detail))
        return see_other("/requests")

    @router.post("/rollouts/{number}/pause")
    def pause_on_page(caller: Pauses, number: RowNumber, form: Form) -> Response:
        return _on_page(
            context,
            caller,
            number,
            lambda c: pause_rollout(c, number, form.text("reason")),
            Permission.PAUSE_ROLLOUTS,
        )

    @router.post("/rollouts/{number}/resume")
    def resume_on_page(caller: Releases, number: RowNumber, form: Form) -> Response:
        reason = form.text("reason")
        return _on_page(context, caller, number, lambda c: resume_rollout(c, number, reason))

    @router.post("/rollouts/{number}/aside")
    def aside_on_page(caller: Releases, number: RowNumber, form: Form) -> Response:
        name, reason = form.text("unit"), form.text("reason")
        return _on_page(context, caller, number, lambda c: set_aside(c, number, name, reason))

    @router.post("/rollouts/{number}/end")
    def end_on_page(caller: Releases, number: RowNumber, form: Form) -> Response:
        reason = form.text("reason")
        return _on_page(context, caller, number, lambda c: end_rollout(c, number, reason))


def _list_page(context: WebContext, caller: Caller, fault: str = "") -> HTMLResponse:
    names = scope_of(caller, Permission.SEE_ROLLOUTS)
    with context.database.read() as connection:
        found = read_rollouts(connection, names)
        bundles = read_bundles(connection)
        places = read_place_stations(connection)
    allowed = caller.stations(Permission.RELEASE_BUNDLES)
    shown = [place for place, own in places.items() if allowed is None or own <= allowed]
    return context.page(
        "rollouts.html",
        caller,
        422 if fault else 200,
        rollouts=found,
        bundles=bundles,
        places=shown,
        everywhere=EVERYWHERE,
        is_everywhere=caller.may_everywhere(Permission.RELEASE_BUNDLES),
        most_days=MAX_DAYS,
        fault=fault,
    )


def _page(context: WebContext, caller: Caller, number: int, fault: str = "") -> HTMLResponse:
    detail = read_detail(context, caller, number)
    with context.database.read() as connection:
        pins = read_pins(connection)
    cohorts: dict[int, list[RolloutStation]] = {}
    for each in detail.stations:
        cohorts.setdefault(each.cohort, []).append(each)
    names = [each.station for each in detail.stations]
    return context.page(
        "rollout.html",
        caller,
        422 if fault else 200,
        rollout=detail.rollout,
        cohorts=cohorts,
        pins=pins,
        terms=json.loads(detail.rollout.terms),
        may_release=all(caller.may_at(Permission.RELEASE_BUNDLES, name) for name in names),
        may_pause=all(caller.may_at(Permission.PAUSE_ROLLOUTS, name) for name in names),
        now_us=context.now_us(),
        fault=fault,
    )


def _on_page(
    context: WebContext,
    caller: Caller,
    number: int,
    step: Callable[[AuditedChange], None],
    permission: Permission = Permission.RELEASE_BUNDLES,
) -> Response:
    check_scope(context, caller, permission, number)
    try:
        audited_step(context, caller, step)
    except HTTPException as error:
        return _page(context, caller, number, str(error.detail))
    return see_other(f"/rollouts/{number}")


def _wish(context: WebContext, caller: Caller, form: FormFields) -> RolloutWish:
    """Return the rollout that a form asks for. Raises UsageError."""
    place = form.text("place")
    online = {
        each.name: each.state == "online"
        for each in read_stations(context.database, context.now_us(), None)
        if caller.may_at(Permission.RELEASE_BUNDLES, each.name)
    }
    with context.database.read() as connection:
        places = read_place_stations(connection)
        pins = read_pins(connection)
    chosen = set(online) if place == EVERYWHERE else set(places.get(place, ())) & set(online)
    left_out = set(form.text("without").replace(",", " ").split())
    if strange := sorted(left_out - set(online)):
        raise UsageError(f"left out: there is no station {strange[0][:63]!r}")
    names = sorted(chosen - left_out - set(pins))
    if not names:
        raise UsageError("place: it has no station that is not pinned or left out")
    cohorts = divide(
        [Candidate(name, online[name]) for name in names],
        canaries=form.text("canaries").replace(",", " ").split(),
        canary_count=_whole(form, "canary_count", 1),
        share=_whole(form, "share", 25) / 100,
    )
    if form.text("at_once"):
        cohorts = (tuple(names),)
    terms = RolloutTerms(
        days=_whole(form, "days", 30),
        allow_downgrade=bool(form.text("downgrade")),
        new_rejects=form.real("new_rejects") / 100 if form.text("new_rejects") else 0.005,
        **{name: _whole(form, name, default) for name, default in _SIZES},
    )
    bundle = form.text("bundle")
    number = None if bundle == "keep" else _whole(form, "bundle", 0)
    aside_hours = _whole(form, "aside_hours", 0)
    return RolloutWish(number, form.text("title"), cohorts, terms, aside_hours)


def _whole(form: FormFields, name: str, default: int) -> int:
    text = form.text(name)
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"{name}: expected a whole number")
    return int(text)
