"""Events of imagined stations as a central system receives them, and readers of its database."""

from __future__ import annotations

import json
import time
import zlib
from typing import Any

from sqlalchemy import Table, func, select

from central.store.database import Database
from central.store.message import BrokerMessage
from central.store.tables import events, journals, runs, stations
from edge.clock import utc_now

JOURNAL = "0f0e0d0c-1111-4222-8333-444455556666"
RUN = "00000000000000aa"
OTHER_RUN = "00000000000000bb"
PREFIX = "outfeed/v1"


def now_us() -> int:
    return time.time_ns() // 1000


def body(kind: str, station: str, /, **changes: Any) -> dict[str, Any]:
    """The keys of an event, without its identity."""
    base: dict[str, Any] = {"station": station, "boot_id": "boot", "utc": utc_now(), "type": kind}
    defaults: dict[str, dict[str, Any]] = {
        "outfeed.part/1": {
            "bundle": "textures-1",
            "part_id": 1,
            "decision": "PASS",
            "reason": "no defect",
            "peak_severity": 0.5,
            "defects": [],
            "timings_us": None,
            "triggered_ns": 1,
        },
        "outfeed.actuation/1": {
            "part_id": 1,
            "due_ns": 1,
            "at_ns": 2,
            "width_us": 0,
            "error_us": 0.001,
            "action": "passed",
            "cause": "verdict",
        },
        "outfeed.mark/1": {
            "part_id": 1,
            "mark": "escape",
            "note": "",
            "mark_id": "0" * 32,
            "marked_utc": utc_now(),
            "picture": None,
        },
        "outfeed.gap/1": {"count": 1, "first": None, "last": None, "reason": "the disk was full"},
    }
    return {**base, **defaults.get(kind, {}), **changes}


def defect(kind: str = "scratch", severity: float = 8.0, **changes: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "confidence": 0.9,
        "guidance": "",
        "box": [1, 2, 3, 4],
        "area_px": 12,
        "peak_severity": severity,
        "mean_severity": severity / 2,
        **changes,
    }


def message(
    sequence: int,
    kind: str = "outfeed.part/1",
    /,
    *,
    station: str = "press-3",
    journal: str = JOURNAL,
    run: str = RUN,
    received_us: int | None = None,
    **changes: Any,
) -> BrokerMessage:
    """One event as the broker hands it over. ``part_id`` is the sequence number."""
    if kind == "outfeed.part/1":
        changes.setdefault("part_id", sequence)
    head = {
        "event_id": f"{station}:{journal}:{run}:{sequence}",
        "journal": journal,
        "run": run,
        "sequence": sequence,
    }
    payload = json.dumps({**head, **body(kind, station, **changes)}).encode()
    at_us = now_us() if received_us is None else received_us
    return BrokerMessage(f"{PREFIX}/{station}/events", payload, at_us)


def gap(first: int, last: int, *, run: str = RUN, **changes: Any) -> BrokerMessage:
    """A gap event that accounts for the numbers from first to last."""
    numbers = {"count": last - first + 1, "first": first, "last": last}
    return message(last, "outfeed.gap/1", run=run, **numbers, **changes)


def status(station: str = "press-3", **changes: Any) -> BrokerMessage:
    """The status of a station."""
    keys = {"state": "online", "cause": "connected", "version": "1", "bundle": "b", **changes}
    payload = json.dumps(body("outfeed.status/1", station, **keys)).encode()
    return BrokerMessage(f"{PREFIX}/{station}/status", payload, now_us())


def rows(database: Database, table: Table, *columns: str) -> list[tuple[Any, ...]]:
    """All rows of a table, or these columns of them."""
    chosen = [table.c[name] for name in columns] or list(table.c)
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(select(*chosen))]


def stored(database: Database) -> list[tuple[str, int]]:
    """Run and sequence number of every stored event, sorted. One that is doubled is there twice."""
    return sorted(rows(database, events, "run", "sequence"))


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def covered(database: Database, station: str = "press-3") -> set[int]:
    """The numbers that the coverage of a station's journals has, of any run."""
    statement = (
        select(runs.c.ranges)
        .join(journals, journals.c.id == runs.c.journal_id)
        .join(stations, stations.c.id == journals.c.station_id)
        .where(stations.c.name == station)
    )
    with database.read() as connection:
        return {
            number
            for text in connection.execute(statement).scalars()
            for first, last in json.loads(text)
            for number in range(first, last + 1)
        }


def checksum(payload: bytes) -> int:
    return zlib.crc32(payload)
