"""The uploaded bundles in the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, update

from central.store.bulk import inserted_number
from central.store.rollout_tables import bundles, rollout_stations, rollouts
from edge.errors import UsageError


@dataclass(frozen=True, slots=True)
class StoredBundle:
    """A bundle that was uploaded. sha256: of its file. signer: the id of the key.

    compatible: the types of stations that it is for. removed_us: time of the removal of its file.
    """

    number: int
    sha256: str
    bundle_id: str
    name: str
    version: str
    size_bytes: int
    signer: str
    compatible: tuple[str, ...]
    uploaded_by: str
    uploaded_us: int
    removed_us: int | None = None


_COLUMNS = tuple(bundles.c)


def read_bundles(connection: Connection, limit: int = 500) -> tuple[StoredBundle, ...]:
    """Return the bundles whose file is there, newest first."""
    statement = select(*_COLUMNS).where(bundles.c.removed_us.is_(None))
    rows = connection.execute(
        statement.order_by(bundles.c.uploaded_us.desc(), bundles.c.id.desc()).limit(limit)
    )
    return tuple(_bundle(row) for row in rows)


def find_bundle(connection: Connection, number: int) -> StoredBundle:
    """Return a bundle, also one that was removed. Raises UsageError where there is none."""
    row = connection.execute(select(*_COLUMNS).where(bundles.c.id == number)).first()
    if row is None:
        raise UsageError(f"there is no bundle {number}")
    return _bundle(row)


def save_bundle(connection: Connection, bundle: StoredBundle) -> int:
    """Store a bundle and return its number. One that was removed is there again."""
    values = {name: getattr(bundle, name) for name in StoredBundle.__slots__ if name != "number"}
    values["compatible"] = json.dumps(list(bundle.compatible))
    known = connection.execute(
        select(bundles.c.id).where(bundles.c.sha256 == bundle.sha256)
    ).scalar()
    if known is None:
        return inserted_number(connection.execute(bundles.insert().values(values)))
    connection.execute(update(bundles).where(bundles.c.id == known).values(values))
    return int(known)


def has_file(connection: Connection, sha256: str) -> bool:
    """Return whether a bundle with this SHA-256 is stored, and its file was not removed."""
    found = connection.execute(
        select(bundles.c.id).where(bundles.c.sha256 == sha256, bundles.c.removed_us.is_(None))
    ).first()
    return found is not None


def is_needed(connection: Connection, number: int) -> bool:
    """Return whether a rollout that has not ended, or a published message, names a bundle."""
    is_open = rollouts.c.state.in_(("planned", "signed", "running", "paused"))
    is_published = rollout_stations.c.released_us.is_not(None) & (
        rollout_stations.c.withdrawn_us.is_(None)
    )
    found = connection.execute(
        select(rollouts.c.id)
        .outerjoin(rollout_stations, rollout_stations.c.rollout_id == rollouts.c.id)
        .where(rollouts.c.bundle == number, is_open | is_published)
        .limit(1)
    ).first()
    return found is not None


def mark_removed(connection: Connection, number: int, now_us: int) -> None:
    """State that the file of a bundle was removed."""
    connection.execute(update(bundles).where(bundles.c.id == number).values(removed_us=now_us))


def _bundle(row: Row[Any]) -> StoredBundle:
    return StoredBundle(
        number=row.id,
        sha256=row.sha256,
        bundle_id=row.bundle_id,
        name=row.name,
        version=row.version,
        size_bytes=row.size_bytes,
        signer=row.signer,
        compatible=tuple(json.loads(row.compatible or "[]")),
        uploaded_by=row.uploaded_by,
        uploaded_us=row.uploaded_us,
        removed_us=row.removed_us,
    )
