"""Payloads of a hostile or damaged station: none of them stops the stream, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from central.store import tables
from central.store.database import Database
from central.store.message import MAX_PAYLOAD_BYTES, BrokerMessage
from central.store.queries import read_parts, read_wall
from central.store.writer import BatchWriter
from tests.support.central_events import (
    PREFIX,
    RUN,
    covered,
    defect,
    message,
    now_us,
    rows,
    status,
    stored,
)

_HUGE = 1 << 70


def _raw(payload: bytes | str, topic: str = "press-3/events") -> BrokerMessage:
    data = payload if isinstance(payload, bytes) else payload.encode("utf-8", "surrogatepass")
    return BrokerMessage(f"{PREFIX}/{topic}", data, now_us())


def _changed(**changes: Any) -> BrokerMessage:
    return _raw(json.dumps({**json.loads(message(2).payload), **changes}))


REFUSED = {
    "nothing": _raw(b""),
    "no JSON": _raw("<script>alert(1)</script>"),
    "a list": _raw("[1]"),
    "bytes": _raw(bytes(range(256))),
    "no identity": _raw('{"type": "outfeed.part/1", "station": "press-3"}'),
    "another station": _changed(station="press-4", event_id=f"press-4:x:{RUN}:2"),
    "another station in the identity": _changed(event_id=f"press-4:x:{RUN}:2"),
    "sequence zero": _changed(sequence=0),
    "a sequence of 2**53": _changed(sequence=1 << 53),
    "a sequence of thousands of digits": _raw('{"sequence": ' + "9" * 5000 + "}"),
    "a wildcard as journal": _changed(journal="#", event_id=f"press-3:#:{RUN}:2"),
    "a path as journal": _changed(journal="a/b", event_id=f"press-3:a/b:{RUN}:2"),
    "a long journal": _changed(journal="a" * 65, event_id=f"press-3:{'a' * 65}:{RUN}:2"),
    "another run than in its id": _changed(run="ff"),
    "a run that is a reserved word": _changed(run="merged"),
    "too long": _raw(b'{"a": "' + b"x" * MAX_PAYLOAD_BYTES + b'"}'),
    "no station in the topic": _raw(message(2).payload, "../events"),
    "another topic": _raw(message(2).payload, "press-3/other"),
    "a status of another station": _raw(status("press-4").payload, "press-3/status"),
    "a status without state": _raw("{}", "press-3/status"),
    "a status with a wildcard": _raw(status(journal="+/+").payload, "press-3/status"),
    "deep nesting": _raw("[" * 100_000),
    "a lone surrogate in the name": _changed(station="press-3\ud800"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_event_of_the_station_is_refused(
    name: str, database: Database, writer: BatchWriter
) -> None:
    result = writer.write([message(1), REFUSED[name], message(2)])
    assert (result.counts["stored"], result.counts["refused"]) == (2, 1)
    assert stored(database) == [(RUN, 1), (RUN, 2)]
    ((reason, size),) = rows(database, tables.refused, "reason", "bytes")
    assert reason
    assert "\n" not in reason
    assert size == len(REFUSED[name].payload)
    assert covered(database) == {1, 2}


UNREADABLE = {
    "part_id of 70 bits": {"part_id": _HUGE},
    "a negative part_id of 70 bits": {"part_id": -_HUGE},
    "an area of 70 bits": {"defects": [defect(), defect(area_px=_HUGE)]},
    "a box of 70 bits": {"defects": [defect(box=[0, 0, _HUGE, 1])]},
    "a decision of its own": {"decision": "MAYBE"},
    "a text in place of a number": {"part_id": "one"},
    "no defects": {"defects": None},
    "defects without a kind": {"defects": [{}]},
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_event_that_cannot_be_read_is_kept_without_details(
    name: str, database: Database, writer: BatchWriter
) -> None:
    result = writer.write([message(1), message(2, **UNREADABLE[name]), message(3)])
    assert (result.counts["stored"], result.counts["unreadable"]) == (3, 1)
    # The station does not send it again: its number is covered.
    assert covered(database) == {1, 2, 3}
    assert sorted(rows(database, tables.events, "sequence", "fault"))[1] == (2, "unreadable")
    assert sorted(rows(database, tables.parts, "sequence")) == [(1,), (3,)]
    assert rows(database, tables.defects) == []
    assert sum(row[0] for row in rows(database, tables.rollups, "inspected")) == 2


STRANGE = {
    "HTML": {"reason": "<script>alert(1)</script>", "bundle": '"><img src=x onerror=alert(1)>'},
    "NUL characters": {"reason": "a\0b", "bundle": "\0", "defects": [defect("\0kind\0")]},
    "long texts": {"reason": "r" * 20_000, "bundle": "b" * 9_000, "defects": [defect("k" * 9_000)]},
    "characters beyond 16 bits": {"reason": "😀" * 300, "defects": [defect("𝔎" * 300)]},
    "not a number": {"peak_severity": float("nan"), "defects": [defect(severity=float("nan"))]},
    "infinite": {"peak_severity": float("inf"), "part_score": float("-inf")},
    "a huge number": {"peak_severity": 1.7e308, "defects": [defect(severity=1e308)]},
    "an odd time": {"utc": "0000-99-99T99:99:99Z"},
    "a time with NUL": {"utc": "\0"},
    "a time far away": {"utc": "9999-12-31T23:59:59.999999+14:00"},
    "63 bits": {"part_id": (1 << 63) - 1},
    "many defects": {"defects": [defect(f"kind {n}") for n in range(600)]},
    "timings of any size": {
        "timings_us": {
            **dict.fromkeys(["detect", "filter", "components", "classify"], 1e300),
            "decide": 0,
        }
    },
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_values_are_stored(name: str, database: Database, writer: BatchWriter) -> None:
    changes = {"decision": "REJECT", **STRANGE[name]}
    result = writer.write([message(1, **changes), message(2)])
    assert (result.counts["stored"], result.counts["refused"]) == (2, 0)
    with database.read() as connection:
        found = read_parts(connection, "press-3")
        (station,) = read_wall(connection, now_us())
    assert len(found) == 2
    assert json.dumps([part.severity for part in found], allow_nan=False)
    assert all(len(part.kind) <= 100 and "\0" not in part.reason for part in found)
    assert station.hour.inspected == 2


def test_a_value_that_only_the_database_refuses_costs_its_message_alone(
    database: Database, writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the check of whole numbers had a fault.
    monkeypatch.setattr("central.store.rows._MAX_INTEGER", 1 << 80)
    batch = [message(number) for number in range(1, 20)]
    batch[7] = message(8, part_id=_HUGE)
    result = writer.write(batch)
    assert (result.counts["stored"], result.counts["refused"]) == (18, 1)
    assert covered(database) == set(range(1, 20)) - {8}
    assert rows(database, tables.refused, "reason")[0][0].startswith("the database refuses it")


def test_stations_and_journals_are_limited(
    database: Database, writer: BatchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.store.registry.MAX_STATIONS", 2)
    monkeypatch.setattr("central.store.registry.MAX_JOURNALS", 3)
    batch = [message(1, station=f"press-{n}") for n in range(4)]
    assert writer.write(batch).counts["refused"] == 2
    batch = [message(1, station="press-0", journal=f"journal-{n}") for n in range(5)]
    assert writer.write(batch).counts["refused"] == 3
    assert writer.write([message(2, station="press-0")]).counts["stored"] == 1


def test_a_type_of_a_later_version_is_stored_and_covered(
    database: Database, writer: BatchWriter
) -> None:
    writer.write([message(1, "outfeed.something/9", part_id={"not": "a number"})])
    assert rows(database, tables.events, "type", "fault") == [("outfeed.something/9", "")]
    assert covered(database) == {1}
