"""Certificates and disks of stations: from the status to the database, the alarms and the page."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from central.alarms.facts import read_facts
from central.alarms.rules import DEFAULTS
from central.store.database import Database
from central.store.health import (
    StationCertificate,
    StationDisk,
    load_certificates,
    load_disks,
)
from central.store.tables import stations
from central.store.writer import BatchWriter
from tests.support.central_events import now_us, status

UNTIL = "2027-03-01T00:00:00Z"
UNTIL_US = 1_803_859_200_000_000


def _stored(database: Database) -> tuple[Any, ...]:
    with database.read() as connection:
        row = connection.execute(select(stations.c.certificates, stations.c.disks)).one()
    return load_certificates(row[0]), load_disks(row[1])


def test_a_status_is_kept_and_replaced(database: Database, writer: BatchWriter) -> None:
    disks = [
        {"folder": "state", "free_bytes": 900, "total_bytes": 1000},
        {"folder": "pictures", "free_bytes": 100, "total_bytes": 2000},
    ]
    writer.write([status(certificates=[{"key": "tls_cert", "until": UNTIL}], disks=disks)])
    assert _stored(database) == (
        (StationCertificate("tls_cert", UNTIL_US),),
        (StationDisk("pictures", 100, 2000), StationDisk("state", 900, 1000)),
    )
    with database.write() as connection:
        (facts,) = read_facts(connection, DEFAULTS, now_us())
    assert dict(facts.certificates) == {"tls_cert": UNTIL_US}
    assert dict(facts.disks) == {"pictures": 0.05, "state": 0.9}
    writer.write([status()])  # of an earlier version of Outfeed
    assert _stored(database) == ((), ())


def test_implausible_entries_are_left_out(database: Database, writer: BatchWriter) -> None:
    disks = [
        {"folder": "none", "free_bytes": 0, "total_bytes": 0},
        {"folder": "more", "free_bytes": 11, "total_bytes": 10},
        {"folder": "huge", "free_bytes": 1, "total_bytes": 1 << 70},
        {"folder": "less", "free_bytes": -1, "total_bytes": 10},
        {"folder": "x\0" + "y" * 90, "free_bytes": 0, "total_bytes": 10},
    ]
    keys = [
        {"key": "a", "until": "soon"},
        {"key": "b", "until": "9" * 50},
        *({"key": f"c{number}", "until": UNTIL} for number in range(20)),
    ]
    result = writer.write([status(certificates=keys, disks=disks)])
    assert result.counts["statuses"] == 1
    certificates, kept = _stored(database)
    assert [each.key for each in certificates] == [f"c{number}" for number in range(6)]
    assert [each.folder for each in kept] == ["x\ufffd" + "y" * 38]
