"""The changes of rollouts that people make. Each has a row in the audit log.

This system has no operator key. A person plans a rollout, the owner of a key signs its desired
states, and this system publishes them cohort by cohort (docs/decisions/0075-rollouts.md).
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from central.access.audit import AuditedChange
from central.rollouts.progress import progress_of
from central.rollouts.release import release_cohort, replace_waiting
from central.rollouts.rows import get_rollout, set_rollout, station_id_of
from central.store.rollout_tables import bundle_pins, rollout_stations
from central.store.rollouts import OPEN, read_rollout_stations
from edge.errors import UsageError

MAX_REASON = 500


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
        set_rollout(change.connection, number, started_us=change.now_us)
    set_rollout(change.connection, number, state="running", reason="")
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
    set_rollout(change.connection, number, state="paused", reason=reason)
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
    set_rollout(change.connection, number, state="running", reason="")
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
    if found.state not in OPEN:
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
    set_rollout(change.connection, number, state="ended", reason=reason, ended_us=change.now_us)
    change.record("rollout.ended", str(number), {"reason": reason})


def pin_station(change: AuditedChange, station: str, reason: str) -> None:
    """Leave a station out of rollouts. Raises UsageError."""
    number = station_id_of(change.connection, station)
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
    number = station_id_of(change.connection, station)
    done = change.connection.execute(delete(bundle_pins).where(bundle_pins.c.station_id == number))
    if not done.rowcount:
        raise UsageError("the station is not pinned")
    change.record("bundle.unpinned", station)


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
