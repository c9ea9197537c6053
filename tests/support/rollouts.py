"""Rollouts for tests: uploaded bundles, signed plans, and reports of stations."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.access.audit import audited
from central.bundles.folder import BundleFolder
from central.bundles.uploads import record_upload
from central.rollouts.changes import RolloutTerms, RolloutWish, plan_rollout, unsigned_plan
from central.store.bundles import StoredBundle, find_bundle
from central.store.database import Database
from central.store.message import BrokerMessage
from central.store.rollouts import RolloutStation, read_rollout_stations
from central.store.tables import stations
from edge.bundle.keys import public_of
from edge.updates.plan import SignedRollout, sign_plan
from tests.support.bundles import bundle_bytes
from tests.support.central_access import CLI
from tests.support.central_events import message, now_us
from tests.support.commands import OPERATOR
from tests.support.keys import KEY

EASY = RolloutTerms(days=2, shadow_parts=10, shadow_rejects=1, probation_parts=10)


def folder_of(path: Path) -> BundleFolder:
    return BundleFolder(path, trusted={public_of(KEY)})


def add_stations(database: Database, *names: str) -> None:
    with database.write() as connection:
        for name in names:
            connection.execute(stations.insert().values(name=name, first_us=1, state="online"))


def upload(database: Database, folder: BundleFolder, version: str = "1.0") -> StoredBundle:
    data = bundle_bytes(version=version)
    with audited(database, CLI, now_us()) as change:
        number = record_upload(change, folder.add(data), len(data))
    with database.read() as connection:
        return find_bundle(connection, number)


def plan(
    database: Database, bundle: StoredBundle | None, *cohorts: tuple[str, ...], **options: Any
) -> int:
    number = None if bundle is None else bundle.number
    wish = RolloutWish(number, "spring", cohorts, **{"terms": EASY, **options})
    with audited(database, CLI, now_us()) as change:
        return plan_rollout(change, wish)


def sign(
    database: Database, number: int, key: Ed25519PrivateKey = OPERATOR, at_us: int | None = None
) -> SignedRollout:
    with database.read() as connection:
        return sign_plan(unsigned_plan(connection, number), key, at_us or now_us())


def stations_of(database: Database, number: int) -> dict[str, RolloutStation]:
    with database.read() as connection:
        return {each.station: each for each in read_rollout_stations(connection, number)}


class Reporter:
    """Makes the reports of stations, each with its own numbers."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def report(self, station: str, desired_id: str, state: str, **changes: Any) -> BrokerMessage:
        sequence = self._numbers[station] = self._numbers.get(station, 0) + 1
        fields: dict[str, Any] = {
            "update_id": hashlib.sha256(f"{station} {sequence}".encode()).hexdigest()[:32],
            "desired_id": desired_id,
            "revision": time.time_ns() // 1000,
            "name": "dark-spots",
            "version": "1.0",
            "sha256": "ab" * 32,
            "state": state,
            "reason": "",
            "running": "old-1.0-000000000000",
            "changed_utc": "2026-11-30T12:00:00.000000Z",
        }
        journal = f"0f0e0d0c-1111-4222-8333-{abs(hash(station)) % 10**12:012d}"
        keys = {"station": station, "journal": journal}
        return message(sequence, "outfeed.update/1", **{**keys, **fields, **changes})


def audit_texts(database: Database, prefix: str) -> list[tuple[str, Any]]:
    """Action and detail of the audit rows of a kind, in order."""
    from central.access.audit import iterate_entries, verify

    with database.read() as connection:
        verify(connection)
        return [
            (each.action, json.loads(each.detail))
            for each in iterate_entries(connection)
            if each.action.startswith(prefix)
        ]
