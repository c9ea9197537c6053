"""The signed desired states of a rollout, as `outfeed bundle assign` makes them."""

from __future__ import annotations

from sqlalchemy import update

from central.access.audit import AuditedChange
from central.rollouts.planning import stored_plan
from central.rollouts.rows import get_rollout, set_rollout
from central.store.rollout_tables import rollout_stations
from central.store.rollouts import read_rollout_stations
from edge.bundle.keys import key_id
from edge.errors import OutfeedError, UsageError
from edge.updates.desired import DesiredBody, SignedDesired
from edge.updates.plan import RolloutPlan, SignedRollout


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
    plan = stored_plan(found)
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
    set_rollout(
        change.connection,
        number,
        state="signed",
        keys=shown,
        signed_by=change.actor.name,
        signed_us=change.now_us,
    )
    change.record("rollout.signed", str(number), {"keys": shown, "stations": len(bodies)})


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
