"""The plan of a rollout: its cohorts, and the terms that a person is to sign."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, log1p

from sqlalchemy import Connection, func, select

from central.access.audit import AuditedChange
from central.access.places import read_plants
from central.rollouts.rows import get_rollout, station_id_of
from central.store.bundles import StoredBundle, find_bundle
from central.store.rollout_tables import rollout_stations, rollouts
from central.store.rollouts import OPEN, Rollout
from edge.errors import OutfeedError, UsageError
from edge.updates.desired import DesiredBundle
from edge.updates.plan import MAX_STATIONS, PlannedStation, RolloutPlan, read_plan

MAX_OPEN = 50
"""Rollouts that have not ended."""

MAX_COHORTS = 20
MAX_TITLE = 100
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class RolloutTerms:
    """The terms of the desired states that a person chooses. days: their life.

    new_rejects: the limit for the share of parts that only the new bundle rejects, 0 to 1.
    """

    days: int = 30
    allow_downgrade: bool = False
    shadow_parts: int = 3000
    shadow_rejects: int = 30
    probation_parts: int = 3000
    new_rejects: float = 0.005


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
    numbers = {name: station_id_of(change.connection, name) for name in names}
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
    return stored_plan(found)


def stored_plan(found: Rollout) -> RolloutPlan:
    """Return the plan of a rollout."""
    return read_plan(found.terms).model_copy(update={"rollout": found.number})


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
    count = connection.execute(
        select(func.count()).select_from(rollouts).where(rollouts.c.state.in_(OPEN))
    ).scalar_one()
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
        "shadow": {
            "parts": terms.shadow_parts,
            "rejects": terms.shadow_rejects,
            "new_rejects": terms.new_rejects,
        },
        "probation": {"parts": terms.probation_parts},
        "allow_downgrade": terms.allow_downgrade,
        "days": terms.days,
        "note": wish.title,
    }
    try:
        plan = read_plan(json.dumps(fields))
    except OutfeedError as error:
        raise UsageError(str(error).partition(": ")[2]) from error
    needed = _parts_for(plan.shadow.new_rejects)
    if bundle is not None and plan.shadow.parts < needed:
        raise UsageError(
            f"shadow_parts: {plan.shadow.parts} parts cannot show that at most "
            f"{100 * terms.new_rejects:g} % are new rejects; expected at least {needed}"
        )
    return plan


def _parts_for(share: float) -> int:
    """Return the parts without a new reject whose upper 95 % bound is within a share.

    The bound is that of Clopper and Pearson (1934) for no case in n parts: 1 - 0.05 ** (1 / n).
    """
    return 1 if share >= 0.95 else ceil(log(0.05) / log1p(-share))


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
