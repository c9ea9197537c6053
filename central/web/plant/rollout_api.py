"""The JSON API of rollouts, and the checks that its pages share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Body, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from central.access.audit import AuditedChange
from central.access.caller import Caller
from central.access.permissions import Permission
from central.rollouts.actions import ALL_REQUESTS, ROLLOUT_AT_ONCE
from central.rollouts.changes import (
    end_rollout,
    pause_rollout,
    pin_station,
    resume_rollout,
    set_aside,
    start_rollout,
    unpin_station,
)
from central.rollouts.planning import (
    MAX_COHORTS,
    RolloutTerms,
    RolloutWish,
    plan_rollout,
    unsigned_plan,
)
from central.rollouts.rows import get_rollout
from central.rollouts.signatures import take_signatures
from central.store.rollouts import (
    Rollout,
    RolloutStation,
    find_rollout,
    read_rollout_names,
    read_rollout_stations,
    read_rollouts,
)
from central.web.access import require
from central.web.context import RowNumber, WebContext
from central.web.plant.forms import audited_step
from central.web.plant.queries import scope_of
from edge.errors import UsageError
from edge.updates.plan import MAX_DAYS, MAX_STATIONS, SignedRollout

SeesRollouts = Annotated[Caller, require(Permission.SEE_ROLLOUTS)]
Releases = Annotated[Caller, require(Permission.RELEASE_BUNDLES)]
Pauses = Annotated[Caller, require(Permission.PAUSE_ROLLOUTS)]
_Made = TypeVar("_Made")
_Name = Annotated[str, Field(max_length=100)]
_Cohort = Annotated[list[_Name], Field(max_length=MAX_STATIONS)]


class _RolloutBody(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RolloutBody(_RolloutBody):
    """A rollout that waits for its signatures. bundle: its number; null: stations keep theirs."""

    bundle: Annotated[int, Field(ge=1, le=(1 << 63) - 1)] | None
    title: Annotated[str, Field(max_length=100)] = ""
    cohorts: Annotated[list[_Cohort], Field(min_length=1, max_length=MAX_COHORTS)]
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 30
    allow_downgrade: bool = False
    shadow_parts: Annotated[int, Field(ge=1, le=10_000_000)] = 3000
    shadow_rejects: Annotated[int, Field(ge=0, le=100_000)] = 30
    probation_parts: Annotated[int, Field(ge=1, le=10_000_000)] = 3000
    new_rejects: Annotated[float, Field(gt=0, le=1)] = 0.005
    aside_hours: Annotated[int, Field(ge=0, le=2160)] = 0

    def wish(self) -> RolloutWish:
        """Return the wish for the store."""
        terms = RolloutTerms(
            self.days,
            self.allow_downgrade,
            self.shadow_parts,
            self.shadow_rejects,
            self.probation_parts,
            self.new_rejects,
        )
        cohorts = tuple(tuple(each) for each in self.cohorts)
        return RolloutWish(self.bundle, self.title, cohorts, terms, self.aside_hours)


class ReasonBody(_RolloutBody):
    """The reason of a person."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class AsideBody(ReasonBody):
    """A station that its cohort shall not wait for."""

    station: _Name


class RolloutDetail(BaseModel):
    """A rollout with its stations."""

    rollout: Rollout
    stations: tuple[RolloutStation, ...]


class RolloutNumber(BaseModel):
    """The number of a rollout, or of a request for two people."""

    number: int


def make_rollout_api(context: WebContext) -> APIRouter:
    """Return the routes below /api."""
    router = APIRouter(prefix="/api", tags=["rollouts"])
    _add_reading(router, context)
    _add_planning(router, context)
    _add_steering(router, context)
    _add_pins(router, context)
    return router


def _add_reading(router: APIRouter, context: WebContext) -> None:
    @router.get("/rollouts")
    def listed(caller: SeesRollouts) -> tuple[Rollout, ...]:
        """Return the latest rollouts, newest first."""
        with context.database.read() as connection:
            return read_rollouts(connection, scope_of(caller, Permission.SEE_ROLLOUTS))

    @router.get("/rollouts/{number}")
    def one(caller: SeesRollouts, number: RowNumber) -> RolloutDetail:
        """Return a rollout with those of its stations that the caller sees."""
        return read_detail(context, caller, number)

    @router.get(
        "/rollouts/{number}/unsigned",
        response_class=Response,
        responses={200: {"content": {"application/json": {}}}},
    )
    def unsigned(caller: Releases, number: RowNumber) -> Response:
        """Return the file that `outfeed bundle assign` takes."""
        check_scope(context, caller, Permission.RELEASE_BUNDLES, number)
        with context.database.read() as connection:
            try:
                plan = unsigned_plan(connection, number)
            except UsageError as error:
                raise HTTPException(422, str(error)) from error
        headers = {"content-disposition": f'attachment; filename="rollout-{number}.json"'}
        text = plan.model_dump_json(indent=1) + "\n"
        return Response(text, media_type="application/json", headers=headers)


def _add_planning(router: APIRouter, context: WebContext) -> None:
    @router.post("/rollouts", status_code=201)
    def plan(caller: Releases, body: RolloutBody) -> RolloutNumber:
        """Plan a rollout. It waits for the signature of an operator key."""
        return RolloutNumber(number=plan_in_scope(context, caller, body.wish()))

    @router.post("/rollouts/{number}/signed")
    def signed(
        caller: Releases, number: RowNumber, body: Annotated[SignedRollout, Body()]
    ) -> RolloutNumber:
        """Take the output of `outfeed bundle assign`."""
        return _step(context, caller, number, lambda c: take_signatures(c, number, body))

    @router.post("/rollouts/{number}/start")
    def start(caller: Releases, number: RowNumber) -> RolloutNumber:
        """Release the first cohort. The others follow when all stations have accepted."""
        return _step(context, caller, number, lambda c: start_rollout(c, number))

    @router.post("/rollouts/{number}/at-once", status_code=201)
    def at_once(caller: Releases, number: RowNumber, body: ReasonBody) -> RolloutNumber:
        """Ask a second person to release all stations at once."""
        return RolloutNumber(number=ask_at_once(context, caller, number, body.reason))


def _add_steering(router: APIRouter, context: WebContext) -> None:
    @router.post("/rollouts/{number}/pause")
    def pause(caller: Pauses, number: RowNumber, body: ReasonBody) -> RolloutNumber:
        """Release no further cohort."""
        return _step(
            context,
            caller,
            number,
            lambda c: pause_rollout(c, number, body.reason),
            Permission.PAUSE_ROLLOUTS,
        )

    @router.post("/rollouts/{number}/resume")
    def resume(caller: Releases, number: RowNumber, body: ReasonBody) -> RolloutNumber:
        """Go on without the stations that failed."""
        return _step(context, caller, number, lambda c: resume_rollout(c, number, body.reason))

    @router.post("/rollouts/{number}/aside")
    def aside(caller: Releases, number: RowNumber, body: AsideBody) -> RolloutNumber:
        """Let a cohort go on without a station, which still gets its bundle."""
        return _step(
            context, caller, number, lambda c: set_aside(c, number, body.station, body.reason)
        )

    @router.post("/rollouts/{number}/end")
    def end(caller: Releases, number: RowNumber, body: ReasonBody) -> RolloutNumber:
        """End a rollout, and withdraw what no station has accepted."""
        return _step(context, caller, number, lambda c: end_rollout(c, number, body.reason))


def _add_pins(router: APIRouter, context: WebContext) -> None:
    @router.post("/stations/{station}/pin")
    def pin(caller: Releases, station: str, body: ReasonBody) -> dict[str, str]:
        """Leave a station out of rollouts."""
        audited_step(context, caller, lambda c: pin_station(c, station, body.reason))
        return {"station": station}

    @router.post("/stations/{station}/unpin")
    def unpin(caller: Releases, station: str) -> dict[str, str]:
        """Let rollouts take a station again."""
        audited_step(context, caller, lambda c: unpin_station(c, station))
        return {"station": station}


def read_detail(context: WebContext, caller: Caller, number: int) -> RolloutDetail:
    """Return a rollout with the stations that the caller sees. Raises HTTPException 404."""
    allowed = scope_of(caller, Permission.SEE_ROLLOUTS)
    with context.database.read() as connection:
        found = find_rollout(connection, number)
        stations = read_rollout_stations(connection, number)
    shown = tuple(each for each in stations if allowed is None or each.station in allowed)
    if found is None or not shown:
        raise HTTPException(404, "there is no rollout with this number")
    return RolloutDetail(rollout=found, stations=shown)


def check_scope(context: WebContext, caller: Caller, permission: Permission, number: int) -> None:
    """Check that a caller has a permission at all stations of a rollout.

    Raises HTTPException 404 where the caller sees none of them, and 403 where some are missing.
    """
    allowed = caller.stations(permission)
    with context.database.read() as connection:
        names = read_rollout_names(connection, number)
    if not names or (allowed is not None and not names & allowed):
        raise HTTPException(404, "there is no rollout with this number")
    if allowed is not None and not names <= allowed:
        raise HTTPException(403, "the rollout has stations of other lines")


def plan_in_scope(context: WebContext, caller: Caller, wish: RolloutWish) -> int:
    """Plan a rollout of stations of the caller's scope. Raises HTTPException 422."""
    for cohort in wish.cohorts:
        for name in cohort:
            if not caller.may_at(Permission.RELEASE_BUNDLES, name):
                raise HTTPException(422, f"{name[:63]!r}: there is no station with this name")
    return audited_step(context, caller, lambda change: plan_rollout(change, wish))


def ask_at_once(context: WebContext, caller: Caller, number: int, reason: str) -> int:
    """Make the request for two people, and return its number. Raises HTTPException."""
    check_scope(context, caller, Permission.RELEASE_BUNDLES, number)

    def ask(change: AuditedChange) -> int:
        found = get_rollout(change.connection, number)
        if found.state not in ("signed", "running", "paused"):
            raise UsageError(f"rollout {number} is {found.state}, and cannot be released")
        count = len(read_rollout_names(change.connection, number))
        detail = {"rollout": number, "bundle": found.bundle_id, "stations": count}
        name = f"rollout {number}"
        return ALL_REQUESTS.ask(change, caller, ROLLOUT_AT_ONCE.name, name, detail, reason)

    return audited_step(context, caller, ask)


def _step(
    context: WebContext,
    caller: Caller,
    number: int,
    step: Callable[[AuditedChange], None],
    permission: Permission = Permission.RELEASE_BUNDLES,
) -> RolloutNumber:
    check_scope(context, caller, permission, number)
    audited_step(context, caller, step)
    return RolloutNumber(number=number)
