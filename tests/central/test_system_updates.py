"""Updates of systems: from the status and the events of a station to the fleet and the alarms."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from central.alarms.facts import read_facts
from central.alarms.rules import DEFAULTS, station_conditions
from central.store.database import Database
from central.store.message import BrokerMessage
from central.store.rollout_tables import system_reports
from central.store.updates import read_latest_of_systems
from central.store.writer import BatchWriter
from central.web.app import make_app
from tests.support.central_events import count, message, now_us, rows, status

RUNS = {"version": "1.4", "slot": "A"}


def report(sequence: int, state: str, **changes: Any) -> BrokerMessage:
    fields: dict[str, Any] = {
        "change_id": f"{sequence:032x}",
        "update_id": "ab" * 16,
        "state": state,
        "version": "1.5",
        "slot": "B",
        "reason": "",
        "running": "1.4",
        "running_slot": "A",
        "changed_utc": "2026-11-30T12:00:00.000000Z",
    }
    return message(sequence, "outfeed.system-update/1", **{**fields, **changes})


def alarms(database: Database) -> list[tuple[str, str, str]]:
    with database.write() as connection:
        (facts,) = read_facts(connection, DEFAULTS, now_us())
    found = station_conditions(facts, DEFAULTS, now_us())
    return [(e.subject, e.severity, e.message) for e in found if e.rule == "update"]


def test_a_report_is_kept_once_and_the_latest_counts(
    database: Database, writer: BatchWriter
) -> None:
    writer.write([report(1, "downloaded"), report(2, "installed"), report(4, "accepted")])
    again = report(5, "installed", change_id=f"{2:032x}")  # after a crash of the station
    late = report(3, "trial")  # sent again later
    writer.write([again])
    writer.write([late])
    assert count(database, system_reports) == 4
    with database.read() as connection:
        (latest,) = read_latest_of_systems(connection).values()
    assert (latest.state, latest.version, latest.slot) == ("accepted", "1.5", "B")


def test_the_status_names_the_system(database: Database, writer: BatchWriter) -> None:
    from central.store.tables import stations

    writer.write([status(system=RUNS)])
    assert rows(database, stations, "system_version", "system_slot") == [("1.4", "A")]
    writer.write([status()])  # the unit has no image any more, or an earlier version
    assert rows(database, stations, "system_version", "system_slot") == [("", "")]


def test_a_system_that_was_given_up_raises_an_alarm(
    database: Database, writer: BatchWriter
) -> None:
    writer.write([report(1, "refused", reason="signature verification failed", version="")])
    text = "system of an update was refused: signature verification failed"
    assert alarms(database) == [("system", "warning", text)]
    writer.write([report(2, "reverted", reason="it did not start, or hung")])
    text = "system 1.5 was reverted: it did not start, or hung"
    assert alarms(database) == [("system", "critical", text)]
    writer.write([report(3, "accepted")])
    assert alarms(database) == []


def test_the_fleet_and_the_station_show_system_and_update(
    database: Database, writer: BatchWriter
) -> None:
    evil = "<script>alert(1)</script>"
    writer.write([status(system=RUNS), report(1, "trial"), report(2, "reverted", reason=evil)])
    with TestClient(make_app(database), base_url="http://127.0.0.1:8480") as browser:
        fleet = browser.get("/fleet").text
        assert "<td>1.4, slot A</td>" in fleet
        assert '1.5 <span class="worse">reverted</span>' in fleet
        (row,) = browser.get("/api/fleet").json()
        assert (row["system_version"], row["system_slot"]) == ("1.4", "A")
        assert (row["system_update"], row["system_update_version"]) == ("reverted", "1.5")
        page = browser.get("/stations/press-3/updates").text
        assert "System <strong>1.4</strong> runs, started from slot A" in page
        assert "&lt;script&gt;alert(1)" in page
        assert evil not in page
        listed = browser.get("/api/stations/press-3/system-updates").json()
        assert [each["state"] for each in listed] == ["reverted", "trial"]
        assert browser.get("/api/stations/none/system-updates").status_code == 404
