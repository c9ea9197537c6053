"""The rows of rollouts that every change reads or writes."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from central.store.judgements import JudgementError, station_number
from central.store.rollout_tables import rollouts
from central.store.rollouts import Rollout, find_rollout
from edge.errors import UsageError


def get_rollout(connection: Connection, number: int, *, lock: bool = False) -> Rollout:
    """Return a rollout. lock: until the end of the transaction. Raises UsageError."""
    if lock:  # an advance by another process waits
        connection.execute(select(rollouts.c.id).where(rollouts.c.id == number).with_for_update())
    found = find_rollout(connection, number)
    if found is None:
        raise UsageError(f"there is no rollout {number}")
    return found


def set_rollout(connection: Connection, number: int, **values: object) -> None:
    """Change columns of a rollout."""
    connection.execute(update(rollouts).where(rollouts.c.id == number).values(**values))


def station_id_of(connection: Connection, station: str) -> int:
    """Return the number of a station. Raises UsageError with its name."""
    try:
        return station_number(connection, station)
    except JudgementError as error:
        raise UsageError(f"{station[:63]!r}: {error}") from error
