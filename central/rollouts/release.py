"""The release of cohorts: from then on the messages of their stations are published."""

from __future__ import annotations

from sqlalchemy import select, update

from central.access.audit import AuditedChange
from central.store.rollout_tables import bundle_pins, rollout_stations, rollouts

_FINAL = ("accepted", "kept")


def replace_waiting(change: AuditedChange, number: int) -> None:
    """Take the stations of a rollout out of the cohorts of others that are not released yet.

    A station takes desired states in the order of their signatures only. A cohort that is released
    later by an older rollout would be refused.
    """
    table = rollout_stations.c
    own = select(table.station_id).where(table.rollout_id == number)
    started = select(rollouts.c.id).where(rollouts.c.state.in_(("running", "paused")))
    change.connection.execute(
        update(rollout_stations)
        .where(
            table.rollout_id != number,
            table.rollout_id.in_(started),
            table.station_id.in_(own),
            table.state == "waiting",
        )
        .values(state="replaced", reason=f"by rollout {number}")
    )


def release_cohort(change: AuditedChange, number: int, cohort: int) -> None:
    """Publish the desired states of a cohort, and withdraw those that they replace."""
    connection, table = change.connection, rollout_stations.c
    mine = (table.rollout_id == number) & (table.cohort == cohort) & (table.state == "waiting")
    pinned = select(bundle_pins.c.station_id)
    for condition, values in (
        (table.station_id.in_(pinned), {"state": "pinned"}),
        (table.expires_us <= change.now_us, {"state": "expired", "released_us": change.now_us}),
    ):
        connection.execute(update(rollout_stations).where(mine & condition).values(**values))
    taken = connection.execute(select(table.station_id).where(mine)).scalars().all()
    older = (table.rollout_id != number) & table.station_id.in_(taken)
    is_published = table.released_us.is_not(None) & table.withdrawn_us.is_(None)
    connection.execute(
        update(rollout_stations)
        .where(older & is_published & table.state.not_in(_FINAL))
        .values(state="replaced", reason=f"by rollout {number}")
    )
    connection.execute(
        update(rollout_stations).where(older & is_published).values(withdrawn_us=change.now_us)
    )
    connection.execute(
        update(rollout_stations).where(mine).values(state="released", released_us=change.now_us)
    )
    connection.execute(update(rollouts).where(rollouts.c.id == number).values(released=cohort + 1))
    change.record("rollout.released", str(number), {"cohort": cohort + 1, "stations": len(taken)})
