"""Rollouts for tests: uploaded bundles, signed plans, and reports of stations."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central.access.audit import audited
from central.bundles.folder import BundleFolder
from central.bundles.uploads import record_upload
from central.rollouts.advance import advance_rollouts
from central.rollouts.changes import start_rollout
from central.rollouts.planning import RolloutTerms, RolloutWish, plan_rollout, unsigned_plan
from central.rollouts.signatures import take_signatures
from central.store.bundles import StoredBundle, find_bundle
from central.store.database import Database
from central.store.message import BrokerMessage
from central.store.rollouts import (
    RolloutStation,
    find_rollout,
    read_messages,
    read_rollout_stations,
)
from central.store.tables import stations
from central.store.writer import BatchWriter
from edge.bundle.keys import public_of
from edge.updates.desired import read_desired
from edge.updates.plan import SignedRollout, sign_plan
from tests.support.bundles import bundle_bytes
from tests.support.central_access import CLI
from tests.support.central_events import message, now_us
from tests.support.commands import OPERATOR
from tests.support.keys import KEY

HOUR_US = 3_600_000_000
EASY = RolloutTerms(days=2, shadow_parts=10, shadow_rejects=1, probation_parts=10, new_rejects=0.5)


@lru_cache
def signed_bundle(version: str = "1.0") -> bytes:
    """A signed bundle, made once."""
    return bundle_bytes(version=version)


def folder_of(path: Path) -> BundleFolder:
    return BundleFolder(path, trusted={public_of(KEY)})


def add_stations(database: Database, *names: str) -> None:
    with database.write() as connection:
        for name in names:
            connection.execute(stations.insert().values(name=name, first_us=1, state="online"))


def upload(database: Database, folder: BundleFolder, version: str = "1.0") -> StoredBundle:
    data = signed_bundle(version)
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


class RolloutWorld:
    """A central system with four stations and one bundle."""

    def __init__(self, database: Database, writer: BatchWriter, folder: BundleFolder) -> None:
        self.database = database
        self.writer = writer
        self.folder = folder
        self.clock_us = now_us()
        self.reporter = Reporter()
        add_stations(database, "a", "b", "c", "d")
        self.bundle = upload(database, folder)

    def change(self, step: Callable[..., None], *arguments: Any, **words: Any) -> None:
        with audited(self.database, CLI, self.clock_us) as change:
            step(change, *arguments, **words)

    def plan(self, *cohorts: tuple[str, ...], **options: Any) -> int:
        bundle = options.pop("bundle", self.bundle)
        return plan(self.database, bundle, *(cohorts or (("a",), ("b", "c"), ("d",))), **options)

    def signed(self, *cohorts: tuple[str, ...], **options: Any) -> int:
        """A rollout that is signed, a microsecond after the one before."""
        number = self.plan(*cohorts, **options)
        self.clock_us += 1
        self.change(take_signatures, number, sign(self.database, number, at_us=self.clock_us))
        return number

    def started(self, *cohorts: tuple[str, ...], **options: Any) -> int:
        number = self.signed(*cohorts, **options)
        self.change(start_rollout, number, at_once=len(cohorts) == 1)
        return number

    def tell(self, number: int, station: str, state: str, **changes: Any) -> None:
        """A station reports, and the rollouts advance."""
        desired = stations_of(self.database, number)[station].desired_id
        if state == "accepted":
            changes.setdefault("running", self.bundle.bundle_id)
        self.writer.write([self.reporter.report(station, desired, state, **changes)])
        self.advance()

    def advance(self, hours: float = 0) -> int:
        self.clock_us += round(hours * HOUR_US)
        return advance_rollouts(self.database, self.clock_us)

    def state(self, number: int) -> tuple[str, int]:
        with self.database.read() as connection:
            found = find_rollout(connection, number)
        assert found is not None
        return found.state, found.released

    def reason(self, number: int) -> str:
        with self.database.read() as connection:
            found = find_rollout(connection, number)
        assert found is not None
        return found.reason

    def states(self, number: int) -> str:
        return " ".join(each.state for each in stations_of(self.database, number).values())

    def published(self) -> dict[str, str]:
        """The desired state that is retained for each station, by its id."""
        with self.database.read() as connection:
            found = read_messages(connection, self.clock_us)
        return {name: read_desired(payload).desired_id for name, payload in found.items()}


FILE = {"content-type": "application/octet-stream"}


def post_bundle(browser: Any, data: bytes) -> Any:
    return browser.post("/api/bundles", content=data, headers=FILE)


def rollout_body(*cohorts: list[str], bundle: int | None = 1, **changes: Any) -> dict[str, Any]:
    small = {"shadow_parts": 10, "shadow_rejects": 1, "probation_parts": 10, "new_rejects": 0.5}
    return {"bundle": bundle, "cohorts": list(cohorts), **small, **changes}


def start_by_api(browser: Any, database: Database, *cohorts: list[str]) -> int:
    names = cohorts or (["alpha"], ["beta"])
    number = int(browser.post("/api/rollouts", json=rollout_body(*names)).json()["number"])
    signed = json.loads(sign(database, number).model_dump_json())
    answer = browser.post(f"/api/rollouts/{number}/signed", json=signed)
    assert answer.status_code == 200, answer.text
    if len(names) > 1:
        assert browser.post(f"/api/rollouts/{number}/start").status_code == 200
    return number
