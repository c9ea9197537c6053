"""The changes of rollouts that people make. Each has a row in the audit log.

This system has no operator key. A person plans a rollout, the owner of a key signs its desired
states, and this system publishes them cohort by cohort (docs/decisions/0075-rollouts.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from central.access.audit import AuditedChange
from central.access.places import read_plants
from central.rollouts.progress import progress_of
from central.rollouts.release import release_cohort, replace_waiting
from central.store.bundles import StoredBundle, find_bundle
from central.store.judgements import JudgementError, station_number
from central.store.rollout_tables import bundle_pins, rollout_stations, rollouts
from central.store.rollouts import Rollout, find_rollout, read_rollout_stations
from edge.bundle.keys import key_id
from edge.errors import OutfeedError, UsageError
from edge.updates.desired import DesiredBody, DesiredBundle, SignedDesired
from edge.updates.plan import (
    MAX_STATIONS,
    PlannedStation,
    RolloutPlan,
    SignedRollout,
    read_plan,
)

MAX_OPEN = 50
"""Rollouts that have not ended."""

MAX_COHORTS = 20
MAX_TITLE = 100
MAX_REASON = 500
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class RolloutTerms:
    """The terms of the desired states that a person chooses. days: their life."""

    days: int = 30
    allow_downgrade: bool = False
    shadow_parts: int = 3000
    shadow_rejects: int = 30
    probation_parts: int = 3000


@dataclass(frozen=True, slots=True)
class RolloutWish:
    """A rollout that a person plans.

    bundle: its number; None: the stations stay with their bundle. cohorts: the names of stations.
    """

    bundle: int | None
    title: str
    cohorts: tuple[tuple[str, ...], ...]
    terms: RolloutTerms = RolloutTerms()
    aside_hours: int = 0


def plan_rollout(change: AuditedChange, wish: RolloutWish) -> int:
    """Store a rollout that waits for signatures. Return its number. Raises UsageError."""
    names = _check(change.connection, wish)
    plan = _plan(change.connection, wish, names, change.now_us)
    numbers = {name: _station(change.connection, name) for name in names}
    row = {
        "bundle": wish.bundle,
        "title": wish.title,
        "state": "planned",
        "cohorts": len(wish.cohorts),
        "aside_hours": wish.aside_hours,
        "terms": plan.model_dump_json(exclude={"rollout"}),
        "made_by": change.actor.name,
        "made_us": change.now_us,
    }
    made = change.connection.execute(rollouts.insert().values(row).returning(rollouts.c.id))
    number = int(made.scalar_one())
    change.connection.execute(
        rollout_stations.insert(),
        [
            {
                "rollout_id": number,
                "station_id": numbers[name],
                "cohort": place,
                "state": "waiting",
            }
            for place, cohort in enumerate(wish.cohorts)
            for name in cohort
        ],
    )
    sizes = [len(each) for each in wish.cohorts]
    detail = {"bundle": plan.bundle_id, "title": wish.title, "cohorts": sizes}
    change.record("rollout.planned", str(number), detail)
    return number


def unsigned_plan(connection: Connection, number: int) -> RolloutPlan:
    """Return the plan that ``outfeed bundle assign`` takes. Raises UsageError."""
    found = get_rollout(connection, number)
    if found.state not in ("planned", "signed"):
        raise UsageError(f"rollout {number} is {found.state}, and no longer waits for a signature")
    return _stored_plan(found)


def take_signatures(change: AuditedChange, number: int, signed: SignedRollout) -> None:
    """Store the signed desired states of a rollout. Raises UsageError.

    They must be exactly those of the plan. Signed ones may be replaced until the rollout starts,
    for instance by the same with one more signature.
    """
    found = get_rollout(change.connection, number, lock=True)
    if found.state not in ("planned", "signed"):
        raise UsageError(f"rollout {number} is {found.state}, and takes no more signatures")
    if signed.rollout != number:
        raise UsageError(f"the file is of rollout {signed.rollout}, not of {number}")
    plan = _stored_plan(found)
    ids = {
        each.station: each.station_id for each in read_rollout_stations(change.connection, number)
    }
    keys: set[str] = set()
    bodies: dict[str, tuple[SignedDesired, DesiredBody]] = {}
    for statement in signed.statements:
        body = _read(statement)
        if body.station in bodies:
            raise UsageError(f"the file has station {body.station!r} twice")
        keys |= _check_statement(plan, statement, body, change.now_us)
        bodies[body.station] = (statement, body)
    if missing := sorted(set(ids) - set(bodies)):
        raise UsageError(f"the file lacks station {missing[0]!r}")
    for name, (statement, body) in sorted(bodies.items()):
        values = {
            "message": statement.payload().decode(),
            "desired_id": statement.desired_id,
            "revision": body.revision,
            "expires_us": body.expires * 1_000_000,
        }
        change.connection.execute(
            update(rollout_stations)
            .where(
                rollout_stations.c.rollout_id == number,
                rollout_stations.c.station_id == ids[name],
            )
            .values(values)
        )
    shown = " ".join(sorted(key_id(key) for key in keys))
    _set(
        change.connection,
        number,
        state="signed",
        keys=shown,
        signed_by=change.actor.name,
        signed_us=change.now_us,
    )
    change.record("rollout.signed", str(number), {"keys": shown, "stations": len(bodies)})


def start_rollout(change: AuditedChange, number: int, *, at_once: bool = False) -> None:
    """Release the first cohort, or with at_once all of them. Raises UsageError.

    at_once is for the request of two people. Stations of earlier rollouts that wait are replaced.
    """
    found = get_rollout(change.connection, number, lock=True)
    if found.state not in ("signed", *(("running", "paused") if at_once else ())):
        raise UsageError(f"rollout {number} is {found.state}; expected signed")
    if found.cohorts == 1 and not at_once:
        raise UsageError("a rollout of one cohort is a request for two people")
    if found.state == "signed":
        _check_revisions(change.connection, number)
        replace_waiting(change, number)
        _set(change.connection, number, started_us=change.now_us)
    _set(change.connection, number, state="running", reason="")
    last = found.cohorts if at_once else 1
    change.record("rollout.started", str(number), {"at_once": at_once})
    for cohort in range(found.released, last):
        release_cohort(change, number, cohort)


def pause_rollout(change: AuditedChange, number: int, reason: str) -> None:
    """Release no further cohort until the rollout is resumed. Raises UsageError."""
    found = get_rollout(change.connection, number, lock=True)
    if found.state != "running":
        raise UsageError(f"rollout {number} is {found.state}; only a running one can be paused")
    reason = _reason(reason)
    _set(change.connection, number, state="paused", reason=reason)
    change.record("rollout.paused", str(number), {"reason": reason})


def resume_rollout(change: AuditedChange, number: int, reason: str) -> None:
    """Go on with a paused rollout, without the stations that failed so far. Raises UsageError."""
    found = get_rollout(change.connection, number, lock=True)
    if found.state != "paused":
        raise UsageError(f"rollout {number} is {found.state}; only a paused one can be resumed")
    reason = _reason(reason)
    stations = read_rollout_stations(change.connection, number)
    outcomes = {each.name: each.outcome for each in progress_of(found, stations)}
    failed = [each for each in stations if outcomes.get(each.station) == "failed"]
    for one in failed:
        _set_aside(change.connection, number, one.station_id)
    _set(change.connection, number, state="running", reason="")
    names = [each.station for each in failed]
    change.record("rollout.resumed", str(number), {"reason": reason, "without": names})


def set_aside(change: AuditedChange, number: int, station: str, reason: str) -> None:
    """Let a cohort go on without a station, which still gets its bundle. Raises UsageError."""
    found = get_rollout(change.connection, number, lock=True)
    if found.state not in ("running", "paused"):
        raise UsageError(f"rollout {number} is {found.state}; expected running or paused")
    reason = _reason(reason)
    number_of = {
        each.station: each.station_id for each in read_rollout_stations(change.connection, number)
    }
    if station not in number_of:
        raise UsageError(f"rollout {number} has no station {station[:63]!r}")
    _set_aside(change.connection, number, number_of[station])
    change.record("rollout.set_aside", str(number), {"station": station, "reason": reason})


def end_rollout(change: AuditedChange, number: int, reason: str) -> None:
    """End a rollout. Desired states that no station has accepted are withdrawn.

    A station that has its desired state already goes on by itself. Raises UsageError.
    """
    found = get_rollout(change.connection, number, lock=True)
    if found.state not in ("planned", "signed", "running", "paused"):
        raise UsageError(f"rollout {number} is {found.state} already")
    reason = _reason(reason)
    change.connection.execute(
        update(rollout_stations)
        .where(
            rollout_stations.c.rollout_id == number,
            rollout_stations.c.withdrawn_us.is_(None),
            rollout_stations.c.state.not_in(("accepted", "kept")),
        )
        .values(withdrawn_us=change.now_us)
    )
    _set(change.connection, number, state="ended", reason=reason, ended_us=change.now_us)
    change.record("rollout.ended", str(number), {"reason": reason})


def pin_station(change: AuditedChange, station: str, reason: str) -> None:
    """Leave a station out of rollouts. Raises UsageError."""
    number = _station(change.connection, station)
    reason = _reason(reason)
    change.connection.execute(delete(bundle_pins).where(bundle_pins.c.station_id == number))
    change.connection.execute(
        bundle_pins.insert().values(
            station_id=number, reason=reason, made_by=change.actor.name, made_us=change.now_us
        )
    )
    change.record("bundle.pinned", station, {"reason": reason})


def unpin_station(change: AuditedChange, station: str) -> None:
    """Let rollouts take a station again. Raises UsageError."""
    number = _station(change.connection, station)
    done = change.connection.execute(delete(bundle_pins).where(bundle_pins.c.station_id == number))
    if not done.rowcount:
        raise UsageError("the station is not pinned")
    change.record("bundle.unpinned", station)


def get_rollout(connection: Connection, number: int, *, lock: bool = False) -> Rollout:
    """Return a rollout. lock: until the end of the transaction. Raises UsageError."""
    if lock:  # an advance by another process waits
        connection.execute(select(rollouts.c.id).where(rollouts.c.id == number).with_for_update())
    found = find_rollout(connection, number)
    if found is None:
        raise UsageError(f"there is no rollout {number}")
    return found


def _check(connection: Connection, wish: RolloutWish) -> list[str]:
    names = [name for cohort in wish.cohorts for name in cohort]
    if not names or not all(wish.cohorts):
        raise UsageError("cohorts: each needs at least one station")
    if len(wish.cohorts) > MAX_COHORTS:
        raise UsageError(f"cohorts: expected at most {MAX_COHORTS}")
    if len(names) > MAX_STATIONS:
        raise UsageError(f"cohorts: expected at most {MAX_STATIONS} stations")
    if len(set(names)) < len(names):
        raise UsageError("cohorts: a station is named twice")
    if len(wish.title) > MAX_TITLE:
        raise UsageError(f"title: expected at most {MAX_TITLE} characters")
    if not 0 <= wish.aside_hours <= 2160:
        raise UsageError("aside_hours: expected 0 to 2160")
    count = len(
        connection.execute(
            select(rollouts.c.id).where(
                rollouts.c.state.in_(("planned", "signed", "running", "paused"))
            )
        ).all()
    )
    if count >= MAX_OPEN:
        raise UsageError(f"{count} rollouts are open already; end some of them first")
    return names


def _plan(
    connection: Connection, wish: RolloutWish, names: Sequence[str], now_us: int
) -> RolloutPlan:
    bundle = None if wish.bundle is None else find_bundle(connection, wish.bundle)
    if bundle is not None and bundle.removed_us is not None:
        raise UsageError(f"bundle {bundle.number} was removed")
    places = {
        name: (line.plant, line.name)
        for plant in read_plants(connection)
        for line in plant.lines
        for name in line.stations
    }
    terms = wish.terms
    fields = {
        "bundle_id": "" if bundle is None else bundle.bundle_id,
        "bundle": None if bundle is None else _wanted(bundle).model_dump(),
        "stations": [_planned(name, places.get(name, ("", ""))) for name in names],
        "shadow": {"parts": terms.shadow_parts, "rejects": terms.shadow_rejects},
        "probation": {"parts": terms.probation_parts},
        "allow_downgrade": terms.allow_downgrade,
        "days": terms.days,
        "note": wish.title,
    }
    try:
        return read_plan(json.dumps(fields))
    except OutfeedError as error:
        raise UsageError(str(error).partition(": ")[2]) from error


def _wanted(bundle: StoredBundle) -> DesiredBundle:
    return DesiredBundle(
        name=bundle.name,
        version=bundle.version,
        sha256=bundle.sha256,
        size_bytes=bundle.size_bytes,
        file=f"{bundle.sha256}.outfeed",
    )


def _planned(name: str, place: tuple[str, str]) -> dict[str, str]:
    """Return a station with its place, where the names can be part of a desired state."""
    plant, line = (each if _PLACE.fullmatch(each) else "" for each in place)
    return PlannedStation(station=name, plant=plant, line=line).model_dump()


def _stored_plan(found: Rollout) -> RolloutPlan:
    return read_plan(found.terms).model_copy(update={"rollout": found.number})


def _read(statement: SignedDesired) -> DesiredBody:
    try:
        return statement.read()
    except OutfeedError as error:
        raise UsageError(str(error)) from error


def _check_statement(
    plan: RolloutPlan, statement: SignedDesired, body: DesiredBody, now_us: int
) -> set[str]:
    """Return the keys that signed. Raises UsageError."""
    planned = {each.station: each for each in plan.stations}.get(body.station)
    if planned is None:
        raise UsageError(f"the file has station {body.station!r}, which is not in the rollout")
    expected = {
        "plant": planned.plant,
        "line": planned.line,
        "bundle": plan.bundle,
        "shadow": plan.shadow,
        "probation": plan.probation,
        "allow_downgrade": plan.allow_downgrade,
        "note": plan.note,
    }
    for name, value in expected.items():
        if getattr(body, name) != value:
            raise UsageError(f"station {body.station!r}: '{name}' is not as in the plan")
    if body.expires * 1_000_000 <= now_us:
        raise UsageError(f"station {body.station!r}: the desired state has expired")
    keys = {each.key for each in statement.signatures}
    if set(statement.signers(keys)) != keys:
        raise UsageError(f"station {body.station!r}: a signature does not fit the text")
    return keys


def _check_revisions(connection: Connection, number: int) -> None:
    """Stations refuse a lower revision than one that was published to them before."""
    own = read_rollout_stations(connection, number)
    table = rollout_stations.c
    rows = connection.execute(
        select(table.station_id, table.revision).where(
            table.station_id.in_([each.station_id for each in own]),
            table.rollout_id != number,
            table.released_us.is_not(None),
        )
    )
    newest: dict[int, int] = {}
    for station_id, revision in rows:
        newest[station_id] = max(revision, newest.get(station_id, 0))
    for each in own:
        if newest.get(each.station_id, 0) >= each.revision:
            raise UsageError(
                f"{each.station} has a desired state that was signed later; sign the plan again"
            )


def _reason(text: str) -> str:
    text = text.strip()
    if not 0 < len(text) <= MAX_REASON:
        raise UsageError(f"reason: expected 1 to {MAX_REASON} characters")
    return text


def _set_aside(connection: Connection, number: int, station_id: int) -> None:
    connection.execute(
        update(rollout_stations)
        .where(rollout_stations.c.rollout_id == number, rollout_stations.c.station_id == station_id)
        .values(is_aside=1)
    )


def _set(connection: Connection, number: int, **values: object) -> None:
    connection.execute(update(rollouts).where(rollouts.c.id == number).values(**values))


def _station(connection: Connection, station: str) -> int:
    try:
        return station_number(connection, station)
    except JudgementError as error:
        raise UsageError(f"{station[:63]!r}: {error}") from error
